"""Files of KEY=VALUE lines, as an operator, cloud-init or an editor of Windows writes them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # an environment can't hold them, or no line can


@dataclass(frozen=True)
class EnvFile:
    """What a file says.

    `values` holds its KEY=VALUE lines, `exported` those that begin with `export`, `places` the
    place of each key as an error names it, and `problems` a line for each that is neither.
    """

    values: dict[str, str] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read(path: Path) -> EnvFile:
    """Read `path`, which need not be there; see `parse`."""
    return parse(path.read_bytes() if path.exists() else b"", path)


def parse(data: bytes, path: Path) -> EnvFile:
    """Read `data`, which `path` holds.

    A value is what follows the first `=`, less one pair of quotes around all of it: nothing is
    expanded. The last line of a key counts.
    """
    found = EnvFile()
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        place = f"{path}, line {number}"
        try:
            line = raw.decode().strip()
        except UnicodeDecodeError:
            found.problems.append(f"{place}: not UTF-8, left out")
            continue
        if not line or line.startswith("#"):
            continue
        exported = line.startswith("export ")
        key, equals, value = line.removeprefix("export ").lstrip().partition("=")
        if not equals or not _KEY.fullmatch(key):
            found.problems.append(f"{place}: not KEY=VALUE, left out")
            continue
        if _CONTROL.search(value):
            found.problems.append(f"{place}: {key} holds a control character, left out")
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        (found.exported if exported else found.values)[key] = value
        found.places[key] = place
    return found
