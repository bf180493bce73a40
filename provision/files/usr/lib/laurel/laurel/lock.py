"""Locks against two commands that run at the same time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laurel.errors import LaurelError


@contextmanager
def exclusive(path: Path, command: str) -> Iterator[None]:
    """Hold the lock `path`. Raises LaurelError if another `command` holds it."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LaurelError(f"another `{command}` is running: wait until it ends") from None
        yield
