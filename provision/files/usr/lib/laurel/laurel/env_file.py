"""Files of KEY=VALUE lines, as an operator, cloud-init or an editor on Windows writes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(r"(?:(export)\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_QUOTED = re.compile(r"""(['"])(.*)\1""", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # no environment or line can hold them


@dataclass(frozen=True)
class EnvFile:
    """What a file says.

    `values` holds its KEY=VALUE lines, `exported` those that begin with `export`, `places` the
    place of each key as an error names it, and `problems` a message for each other line.
    """

    values: dict[str, str] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def text(values: Mapping[str, str]) -> str:
    """The lines of a file from which `parse` reads `values`; those without a value are left out."""
    # `parse` removes one pair of quotes: protect a value that begins with one.
    quoted = {name: f"'{value}'" if value[:1] in "'\"" else value for name, value in values.items()}
    return "".join(f"{name}={quoted[name]}\n" for name, value in values.items() if value)


def read(path: Path) -> EnvFile:
    """Read `path`; a file that does not exist is empty. See `parse`."""
    return parse(path.read_bytes() if path.exists() else b"", str(path))


def parse(data: bytes, name: str) -> EnvFile:
    """Read `data`, the content of the file `name`.

    A value is everything after the first `=`, without one pair of quotes around all of it. Nothing
    is expanded. If a key occurs twice, its last line counts.
    """
    found = EnvFile()
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        place = f"{name}, line {number}"
        try:
            line = raw.decode().strip()
        except UnicodeDecodeError:
            found.problems.append(f"{place}: not UTF-8; the line is ignored")
            continue
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            found.problems.append(f"{place}: not KEY=VALUE; the line is ignored")
            continue
        export, key, value = match.groups()
        if _CONTROL.search(value):
            found.problems.append(f"{place}: {key} has a control character; the line is ignored")
            continue
        quoted = _QUOTED.fullmatch(value)
        (found.exported if export else found.values)[key] = quoted[2] if quoted else value
        found.places[key] = place
    return found
