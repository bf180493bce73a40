"""Files that are written whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write(
    path: Path,
    text: str,
    mode: int = 0o644,
    group: int = 0,
    check: Callable[[Path], None] | None = None,
) -> bool:
    """Write `text` to `path` if it differs; return whether it did.

    The new file is on the disk before it takes the name `path`: a power cut leaves the old file or
    the new one. `group` is a numeric group id. `text` may hold surrogates that stand for invalid
    UTF-8. `check` gets the new file under a temporary name; if it raises, `path` stays as it was.
    """
    data = text.encode(errors="surrogateescape")
    if path.is_file() and path.read_bytes() == data and path.stat().st_mode & 0o7777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            if os.geteuid() == 0:
                os.fchown(descriptor, 0, group)
            os.fsync(descriptor)
        if check:
            check(new)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True
