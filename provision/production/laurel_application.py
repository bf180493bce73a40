"""The project's own application, for a server that needs a wrapper around it."""

import os
from importlib import import_module
from operator import attrgetter
from typing import Any


def application(kind: str) -> Any:
    """What LAUREL_ASGI_APPLICATION or LAUREL_WSGI_APPLICATION names, by `kind`, ASGI or WSGI."""
    module, _, name = os.environ[f"LAUREL_{kind}_APPLICATION"].partition(":")
    return attrgetter(name or "application")(import_module(module))
