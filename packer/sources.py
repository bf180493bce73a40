"""The files that go into an image, and their digest."""

import hashlib
import os
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

from project import release_files
from project.release_files import ReleaseFiles
from project.tree import InspectionError
from run import output


class SourceError(Exception):
    """Why the files of a folder can't be listed."""


def release(project: Path, include: Collection[str] = ()) -> ReleaseFiles:
    """The files of `project` that go into an image: what git tracks, or without git all of them.

    Either way without secrets, data and caches, unless `include` names them. Raises SourceError.
    """
    for name in include:
        if not os.path.lexists(project / name):
            raise SourceError(f"INCLUDE={name}: there is no such file in {project}")
    try:
        return release_files.choose(project, include, tracked(project))
    except InspectionError as error:
        raise SourceError(str(error)) from error


def tracked(folder: Path) -> set[Path] | None:
    """The files below `folder` that git tracks, also in submodules and repositories inside it.

    In a new repository, which tracks nothing yet, those that it would track. None without git.
    Raises SourceError.
    """
    listed = _git_lists(folder, "--cached") or untracked(folder)
    if not listed:
        return None
    found = set()
    for path in listed:
        if not path.is_dir() or path.is_symlink():
            found.add(path)
        elif (path / ".git").exists():
            found |= tracked(path) or set()
        else:
            raise SourceError(
                f"the submodule {path.relative_to(folder)} is not checked out: run"
                f" `git submodule update --init --recursive` in {folder}"
            )
    return found


def untracked(folder: Path) -> list[Path]:
    """The files below `folder` that git neither tracks nor ignores. Raises SourceError."""
    return _git_lists(folder, "--others", "--exclude-standard")


def revision(project: Path, paths: Collection[Path]) -> tuple[str, bool]:
    """The git revision of `project`, and whether its files `paths` differ from it.

    ("", True) without git, and in a repository that does not track the project. Raises SourceError.
    """
    if not _git_lists(project, "--cached"):
        return "", True
    try:
        head = output("git", "rev-parse", "HEAD", cwd=project).strip()
        changed = output("git", "status", "--porcelain", "--untracked-files=no", ".", cwd=project)
    except subprocess.CalledProcessError:  # nothing is committed yet
        return "", True
    return head, bool(changed) or not set(paths) <= (tracked(project) or set())


def files(folder: Path) -> list[Path]:
    """The files of Laurel's own `folder` that git tracks or would track, sorted; see `release`.

    Raises SourceError.
    """
    listed = _git_lists(folder, "--cached", "--others", "--exclude-standard")
    if not listed:
        return release_files.choose(folder).paths
    return sorted(path for path in listed if path.is_file())


def _git_lists(folder: Path, *which: str) -> list[Path]:
    """The files that `git ls-files` prints; none without git. Raises SourceError."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *which, "."],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    if listed.returncode and "not a git repository (or any" not in listed.stderr:
        # Listing all files here could bake secrets that git ignores.
        raise SourceError(f"git can't list {folder}: {listed.stderr.strip()}")
    # A repository around the folder, such as a home directory's, may ignore all of it.
    return [folder / name for name in listed.stdout.split("\0") if name]


def digest(folders: Iterable[Path], *texts: str, without: Iterable[Path] = ()) -> str:
    """The SHA-256, in hexadecimal, of the files of `folders` and of `texts`.

    A folder may be a single file. The files and folders in `without` do not count.
    """
    left_out = set(without)
    total = hashlib.sha256()
    for folder in folders:
        paths = [folder] if folder.is_file() else files(folder)
        counted = [path for path in paths if left_out.isdisjoint((path, *path.parents))]
        total.update(listing(folder.parent, counted).encode(errors="surrogateescape"))
    for text in texts:
        total.update(f"{len(text)}\0{text}\n".encode())
    return total.hexdigest()


def listing(folder: Path, paths: Iterable[Path]) -> str:
    """The name, exec bit and digest of each file, or the target of each link, below `folder`.

    Times and owners do not count.
    """
    lines = []
    for path in paths:
        if path.is_symlink():
            content = f"link\0{path.readlink()}"
        else:
            content = f"{path.stat().st_mode & 0o100}\0{file_digest(path)}"
        lines.append(f"{path.relative_to(folder).as_posix()}\0{content}\n")
    return "".join(lines)


def file_digest(path: Path) -> str:
    """The SHA-256 of one file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
