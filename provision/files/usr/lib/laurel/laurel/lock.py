"""Locks against two commands that run at the same time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from laurel.errors import LaurelError


@contextmanager
def exclusive(path: Path, command: str) -> Iterator[None]:
    """Hold the lock `path`. Raises LaurelError if another `command` holds it."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        if not _take(file):
            raise LaurelError(f"another `{command}` is running: wait until it ends")
        yield


def held(path: Path) -> bool:
    """Whether some command holds the lock `path`."""
    if not path.exists():
        return False
    with path.open("a") as file:
        return not _take(file)


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
