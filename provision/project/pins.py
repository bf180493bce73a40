"""The versions of what Laurel adds to a project's virtualenv."""

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

LOCK = Path(__file__).resolve().parents[1] / "servers.txt"


def constraints(installed: str, lock: str) -> Iterator[str]:
    """Constraints that keep the `installed` packages, and pin the others of `lock` with hashes.

    `installed` is what `pip freeze` prints. uv checks the hashes of constraints. It can't require
    hashes here: the project's own packages are among the dependencies, and may have none.
    """
    names = set()
    for line in installed.splitlines():
        name = re.match(r"([\w.-]+)(==\S+$)?", line)
        if name:
            names.add(canonicalize_name(name[1]))
            if name[2]:  # not from a URL or a folder
                yield line
    for entry in re.split(r"^(?=\w)", lock, flags=re.MULTILINE):
        name = re.match(r"([\w.-]+)==", entry)
        if name and canonicalize_name(name[1]) not in names:
            yield entry.rstrip()
