"""exclude.txt: the names that never go into a release."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

_FILE = Path(__file__).parents[1] / "exclude.txt"


@dataclass(frozen=True)
class Rule:
    """A pattern of names. `private` ones look like secrets or data; `keeps` is an exception."""

    pattern: str
    keeps: bool
    private: bool


def _read() -> Iterator[Rule]:
    tools, secrets = _FILE.read_text(encoding="utf-8").split("\n\n")
    for paragraph, private in ((tools, False), (secrets, True)):
        for line in paragraph.splitlines():
            if line and not line.startswith("#"):
                yield Rule(line.removeprefix("+ "), line.startswith("+ "), private)


RULES = tuple(_read())
PATTERNS = tuple(rule.pattern for rule in RULES if not rule.keeps)


def rule(name: str) -> Rule | None:
    """The rule that excludes `name`, if any; as in rsync, the first match counts."""
    first = next((one for one in RULES if fnmatchcase(name, one.pattern)), None)
    return None if first is None or first.keeps else first
