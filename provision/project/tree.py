"""The files of a project, as its authors keep them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What tools leave or fetch; none of it is the project's own.
_NOT_ITS_OWN = {
    *("node_modules", "site-packages", "venv", "env", "__pycache__"),
    *("build", "dist", "htmlcov"),
}


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
