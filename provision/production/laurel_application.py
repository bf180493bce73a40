"""The project's application, for the modules that wrap it for one server."""

import os
from pkgutil import resolve_name
from typing import Any


def application(kind: str) -> Any:
    """Import the application of `kind` "ASGI" or "WSGI", named by LAUREL_<kind>_APPLICATION."""
    name = os.environ[f"LAUREL_{kind}_APPLICATION"]
    return resolve_name(name if ":" in name else f"{name}:application")
