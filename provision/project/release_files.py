"""The files of a project that go into a release."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from project import excluded
from project.given import LAUREL_ENV
from project.tree import InspectionError

_SQLITE = b"SQLite format 3\0"  # the file's first 16 bytes: sqlite.org/fileformat.html, 1.3


@dataclass(frozen=True)
class ReleaseFiles:
    """What goes into a release, and what does not.

    `paths` are files and symbolic links, sorted. `left_out` names what looks like a secret or data,
    relative to the root, with a slash after a folder. `dangling` names the links whose target is
    not in the release, as `link -> target`.
    """

    paths: list[Path]
    left_out: list[str]
    dangling: list[str]


def choose(
    root: Path,
    include: Collection[str] = (),
    tracked: Collection[Path] | None = None,
    *,
    uploads: bool = False,
) -> ReleaseFiles:
    """Choose among the files below `root`.

    `tracked` are the files that git tracks; None takes all. `include` names files and folders that
    no rule leaves out. `uploads` keeps media/, for a copy in which git can't say what it tracks.
    Raises InspectionError for links that lead out of the project.
    """
    included = {root / LAUREL_ENV} if (root / LAUREL_ENV).is_file() else set()
    for name in include:
        included |= set(_below(root / name))
    paths, left_out = set(included), []
    for path, private in _walk(root, root, None if uploads else tracked or ()):
        if private and path not in included:
            left_out.append(path.relative_to(root).as_posix() + "/" * _is_folder(path))
        elif not private and (tracked is None or path in tracked):
            paths.add(path)
    _refuse_links_out(root, paths)
    return ReleaseFiles(sorted(paths), left_out, sorted(_dangling(root, paths)))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _below(path: Path) -> Iterator[Path]:
    """The files and links below `path`, or `path` itself."""
    for one in [path, *path.rglob("*")] if _is_folder(path) else [path]:
        if one.is_symlink() or one.is_file():
            yield one


def _walk(root: Path, folder: Path, code: Collection[Path] | None) -> Iterator[tuple[Path, bool]]:
    """The files and links of `folder`, and whether each looks like a secret or data.

    A whole folder of these is given once. media/ is one, unless it holds some of `code`, or `code`
    is None.
    """
    for path in sorted(folder.iterdir()):
        rule = excluded.rule(path.name)
        if rule and not rule.private:
            continue
        if not _is_folder(path):
            if path.is_symlink() or path.is_file():
                yield path, bool(rule) or _holds_secret_or_data(path)
        elif not (path / "pyvenv.cfg").is_file():  # a virtualenv's
            uploads = (
                code is not None
                and path.name == "media"
                and (folder == root or (folder / "manage.py").is_file())
                and not any(path in one.parents for one in code)
            )
            if rule or uploads:
                yield path, True
            else:
                yield from _walk(root, path, code)


def _holds_secret_or_data(path: Path) -> bool:
    """Whether `path` is a private key or an SQLite database. What can't be read counts as one."""
    try:
        if path.suffix in (".pem", ".key"):
            return b"PRIVATE KEY" in path.read_bytes()
        if path.suffix in (".db", ".sqlite"):
            with path.open("rb") as file:
                return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return not path.is_symlink()
    return False


def _refuse_links_out(root: Path, paths: Collection[Path]) -> None:
    """Raise InspectionError for each link that an image could not hold."""
    top = os.path.realpath(root)
    problems = []
    for path in sorted(filter(Path.is_symlink, paths)):
        target = str(path.readlink())
        within = os.path.commonpath([top, os.path.realpath(path)]) == top
        if target.startswith("/") or not within:
            problems.append(
                f"{path.relative_to(root)} is a link to {target}, which leads out of the project:"
                " replace it with the file itself, or with a relative link inside the project"
            )
    if problems:
        raise InspectionError("\n".join(problems))


def _dangling(root: Path, paths: Collection[Path]) -> Iterator[str]:
    top = Path(os.path.realpath(root))
    there = {top}
    for path in paths:
        if not path.is_symlink():
            place = top / path.relative_to(root)
            there |= {place, *place.parents}
    for path in filter(Path.is_symlink, paths):
        if Path(os.path.realpath(path)) not in there:
            yield f"{path.relative_to(root)} -> {path.readlink()}"
