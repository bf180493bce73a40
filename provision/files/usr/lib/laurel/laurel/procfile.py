"""Procfiles: the processes that the project names beside its site."""

import re
from dataclasses import dataclass
from pathlib import Path

from laurel.paths import CURRENT
from laurel.settings import Settings

# Not kept running: Laurel serves the site itself, and runs `release` as the release command.
NOT_BESIDE = ("web", "release")
_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


@dataclass(frozen=True)
class Entry:
    """A process of a Procfile: its name, its shell command, and its line."""

    name: str
    command: str
    line: int


def read(file: Path) -> tuple[list[Entry], list[tuple[int, str]]]:
    """The processes of the Procfile `file`, and (line, problem) of each line that is not one.

    Raises UnicodeDecodeError if the file is not UTF-8.
    """
    entries: dict[str, Entry] = {}
    problems = []
    text = file.read_text(encoding="utf-8-sig")  # editors on Windows begin a file with a mark
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if not match:
            problems.append((number, f"not `name: command`: {line.strip()}"))
        elif match[1] in entries:
            first = entries[match[1]].line
            problems.append(
                (number, f"line {first} has a process `{match[1]}` too: give one another name")
            )
        else:
            entries[match[1]] = Entry(match[1], match[2], number)
    return list(entries.values()), problems


def folder(settings: Settings) -> str:
    """Where the Procfile's commands run: in its folder; without a Procfile, in manage.py's."""
    name = settings.get("PROCFILE")
    return str((CURRENT / "app" / name).parent if name else CURRENT / "django")


def names(settings: Settings) -> list[str]:
    """The processes that run beside the site, in the Procfile's order."""
    name = settings.get("PROCFILE")
    file = CURRENT / "app" / name
    if not name or not file.is_file():
        return []
    entries, _ = read(file)
    return [entry.name for entry in entries if entry.name not in NOT_BESIDE]
