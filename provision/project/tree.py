"""The files of a project."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from project import excluded

# The names that the bake does not copy, and the usual names of folders with other people's code or
# build output. The bake copies the latter: `build` or `dist` may be a part of the project.
_NOT_SEARCHED = (
    *excluded.PATTERNS,
    *("site-packages", "venv", "env", "build", "dist", "htmlcov"),
)


class InspectionError(Exception):
    """Inspection cannot go on: says what is wrong, where, and which line to add."""


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
        """The project's own folders, the shallowest first."""
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
                and not any(fnmatch(inner.name, pattern) for pattern in _NOT_SEARCHED)
            ]

    def relative(self, path: Path) -> Path:
        """`path` relative to the project's root."""
        return path.relative_to(self.root)

    def text(self, path: Path) -> str:
        """The text of `path`, without a byte order mark.

        Raises InspectionError for an encoding other than UTF-8: uv reads UTF-16, but the bake's
        shell does not.
        """
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            place = Place(self.relative(path), error.object.count(b"\n", 0, error.start) + 1)
            raise InspectionError(f"{place}: not UTF-8: save it as UTF-8") from None
