"""What was found of a project, or given: each setting with its value and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from project.source.tree import Place, Tree


@dataclass(frozen=True)
class Found:
    """One setting: its value, and where it comes from."""

    name: str
    value: str
    source: str


@dataclass
class Findings:
    """The settings of the project at `root`; `given` are those that need no search."""

    root: Path
    given: Mapping[str, str]
    found: list[Found] = field(default_factory=list)

    def settle(self, name: str, value: str, source: str | Place) -> None:
        """Take `value` for the setting, unless another was given; an empty one is none."""
        if self.given.get(name):
            value, source = self.given[name], where_given(self.root, name)
        if value:
            self.found.append(Found(name, value, str(source)))

    def settle_given(self) -> None:
        """Take what was given and not looked for."""
        for name in self.given:
            if not self.value(name):
                self.settle(name, "", "")

    def value(self, name: str) -> str:
        """The value of the setting; empty if it has none."""
        return next((one.value for one in self.found if one.name == name), "")


def where_given(root: Path, name: str) -> str:
    """Where a setting that was given stands; the project's own file, or the command line."""
    file = root / "laurel.env"
    if file.is_file():
        for number, line in enumerate(Tree(root).text(file).splitlines(), 1):
            if line.startswith(f"{name}="):
                return f"laurel.env, line {number}"
    return "the command line"
