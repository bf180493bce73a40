"""Files written whole or not at all."""

import os
import tempfile
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o644, group: int = 0) -> bool:
    """Write `text` to `path` if it differs; say whether it did.

    The file appears whole under its name, and is on the disk before it does, so a
    power cut leaves the old one or the new one. `group` is a numeric group id. `text` may hold
    what is no UTF-8, as `surrogateescape` reads it.
    """
    data = text.encode(errors="surrogateescape")
    if path.is_file() and path.read_bytes() == data and path.stat().st_mode & 0o7777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            if os.geteuid() == 0:
                os.fchown(descriptor, 0, group)
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True
