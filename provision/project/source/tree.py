"""The files of a project, as its authors keep them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What tools leave or fetch; none of it is the project's own.
_NOT_ITS_OWN = {
    *("node_modules", "site-packages", "venv", "env", "__pycache__"),
    *("build", "dist", "htmlcov"),
}


class InspectionError(Exception):
    """Without what was looked for, nothing else can be: what, where, and the line to add."""


@dataclass(frozen=True)
class Place:
    """A line of a file; `path` is relative to the project's root. Line 0 is the whole file."""

    path: Path
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path.as_posix()}, line {self.line}" if self.line else self.path.as_posix()


@dataclass(frozen=True)
class Tree:
    """The project at `root`."""

    root: Path

    def folders(self) -> Iterator[Path]:
        """Its folders, the shallowest first."""
        level = [self.root]
        while level:
            yield from level
            level = [
                inner
                for folder in level
                for inner in sorted(folder.iterdir())
                if inner.is_dir()
                and not inner.is_symlink()
                and not inner.name.startswith(".")
                and inner.name not in _NOT_ITS_OWN
            ]

    def relative(self, path: Path) -> Path:
        """`path` as it is told."""
        return path.relative_to(self.root)

    def text(self, path: Path) -> str:
        """The text of `path`, without the mark that editors of Windows begin UTF-8 with.

        Raises InspectionError for another encoding: uv would read UTF-16, the bake's shell not.
        """
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            place = Place(self.relative(path), error.object.count(b"\n", 0, error.start) + 1)
            raise InspectionError(f"{place}: not UTF-8: save it as UTF-8") from None
