"""Tar files of finished files: the same content is the same file, whoever made it when."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

from run import output


def write(target: Path, members: Mapping[str, Path]) -> None:
    """Write the tar file `target` (USTAR) of files by their names in it, in their order."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, path in members.items():
            tar.add(path, name, filter=_anonymous)


def extract(archive: Path, name: str, folder: Path) -> Path:
    """Unpack the file `name` of a tar file, gzipped or not, into `folder`, its holes as holes.

    Raises subprocess.CalledProcessError if there is none, or it can't be read.
    """
    output("tar", "--extract", f"--file={archive}", f"--directory={folder}", "--", name)
    return folder / name


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o644
    member.mtime = 0
    return member
