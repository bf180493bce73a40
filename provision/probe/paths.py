"""Where the probe works, and places in the project."""

from __future__ import annotations

import os
from pathlib import Path

PATIENCE = int(os.environ.get("LAUREL_PATIENCE", "1"))  # multiplies the limits of time
APP = Path("/tmp/app")  # a copy of the project
STATE = Path("/tmp/state")  # stands for /var/lib/site
STATIC = Path("/tmp/static")
ANSWER = Path("/tmp/answer.json")


def place_of(file: str, line: int) -> str:
    """Return "path, line 3", relative to the project; "" for a file of another package."""
    path = Path(file)
    if not path.is_absolute() or "site-packages" in path.parts:
        return ""
    path = path.resolve()
    if APP not in path.parents:
        return ""
    name = path.relative_to(APP).as_posix()
    return f"{name}, line {line}" if line else name
