"""Reproducible tar files: the same contents give the same bytes."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from run import output


def write(target: Path, members: Mapping[str, Path | bytes]) -> None:
    """Write a USTAR file `target` of `members`, files or contents by name, in their order."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)  # of root, mode 0644, time 0
            with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
                member.size = file.seek(0, io.SEEK_END)
                file.seek(0)
                tar.addfile(member, file)


def extract(archive: Path, folder: Path) -> list[str]:
    """Unpack a tar file, gzipped or not, into `folder`; holes stay holes. Returns the file names.

    Raises subprocess.CalledProcessError if the archive is damaged.
    """
    options = ("--extract", "--verbose", f"--file={archive}", f"--directory={folder}")
    return output("tar", *options).splitlines()
