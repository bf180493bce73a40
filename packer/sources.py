"""The files that go into an image, and their digest."""

import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

LEFT_OUT = ("__pycache__", ".git", ".venv", "node_modules")


class SourceError(Exception):
    """Why the files of a folder can't be listed."""


def files(folder: Path) -> list[Path]:
    """The files of `folder` that git tracks or would track, sorted; without git, all of them.

    So files that git ignores (databases, secrets, caches) are never baked. Raises SourceError.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    # Empty: a repository around the folder, such as a home directory's, ignores all of it.
    if listed.returncode == 0 and listed.stdout:
        found = [folder / name for name in listed.stdout.split("\0") if name]
    elif listed.returncode and "not a git repository (or any" not in listed.stderr:
        # Listing all files here could bake secrets that git ignores.
        raise SourceError(f"git can't list {folder}: {listed.stderr.strip()}")
    else:
        found = [
            path
            for path in folder.rglob("*")
            if not any(part in LEFT_OUT for part in path.relative_to(folder).parts)
        ]
    return sorted(path for path in found if path.is_file())


def digest(folders: Iterable[Path], *texts: str, without: Iterable[Path] = ()) -> str:
    """The SHA-256, in hexadecimal, of the names, modes and contents of `folders` and of `texts`.

    A folder may be a single file. Times, owners, and the files and folders in `without` do not
    count.
    """
    left_out = set(without)
    total = hashlib.sha256()
    for folder in folders:
        for path in [folder] if folder.is_file() else files(folder):
            if not left_out.isdisjoint((path, *path.parents)):
                continue
            name = path.relative_to(folder.parent).as_posix()
            executable = path.stat().st_mode & 0o100
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{name}\0{executable}\0{content}\n".encode())
    for text in texts:
        total.update(f"{len(text)}\0{text}\n".encode())
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of one file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
