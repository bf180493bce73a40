"""One command at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laurel.errors import LaurelError


@contextmanager
def alone(path: Path, command: str) -> Iterator[None]:
    """Hold the lock `path`. Raises LaurelError if another `command` holds it."""
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise LaurelError(f"another `{command}` is at work: wait for it to end") from None
    finally:
        os.close(descriptor)
