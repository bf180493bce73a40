"""The settings that were found in a project or given, each with its value and its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from laurel import env_file

from project.source.tree import Place


@dataclass(frozen=True)
class Found:
    """One setting: its value, and where it comes from."""

    name: str
    value: str
    source: str


@dataclass
class Findings:
    """The settings of the project at `root`; the `given` ones need no search."""

    root: Path
    given: Mapping[str, str]
    found: list[Found] = field(default_factory=list)

    def settle(self, name: str, value: str, source: str | Place) -> None:
        """Take `value` for the setting unless another was given; "" is no value."""
        if self.given.get(name):
            value, source = self.given[name], where_given(self.root, name)
        if value:
            self.found.append(Found(name, value, str(source)))

    def settle_given(self) -> None:
        """Take the given settings that Laurel did not search for."""
        for name in self.given:
            if not self.value(name):
                self.settle(name, "", "")

    def value(self, name: str) -> str:
        """The value of the setting; "" if it has none."""
        return next((one.value for one in self.found if one.name == name), "")


def where_given(root: Path, name: str) -> str:
    """The place of a given setting: a line of laurel.env, or the command line."""
    file = env_file.read(root / "laurel.env")
    place = file.places[name].rpartition("/")[2] if name in file.values else ""
    return place or "the command line"
