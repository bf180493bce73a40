"""Google Compute Engine: `disk.raw` alone in a gzipped tar file of GNU's old format.

From: Compute Engine's "Manually import boot disks". The disk has whole GiB.
"""

import gzip
import tarfile
from pathlib import Path
from typing import ClassVar

import tar
from run import logged

from export.format import GIB, SECTOR, Disk, ExportError, Format, Source, demand, write_raw

DISK = "disk.raw"
OLD_GNU = b"ustar  \0"  # POSIX writes "ustar\0" and a version there
MAGIC = slice(257, 265)  # bytes of a header


class Gce(Format):
    """A tar file in which the disk's holes are none of its bytes."""

    name: ClassVar[str] = "gce"
    suffix = ".tar.gz"

    def make(self, source: Source, target: Path) -> None:
        folder = source.folder("gce")
        disk = write_raw(source, folder / DISK, GIB)
        # GNU tar, for Python's knows no holes; and its own gzip, for one CPU less is no reason to
        # install another program. Neither a time nor a person of this host is in it.
        nobody = ("--mtime=@0", "--owner=root:0", "--group=root:0", "--mode=0644")
        form = ("--create", "--format=oldgnu", "--sparse", "--gzip", *nobody)
        logged(["tar", *form, f"--file={target}", f"--directory={folder}", DISK], source.log)
        disk.path.unlink()

    def check(self, file: Path) -> None:
        try:
            with gzip.open(file) as content:
                header = content.read(SECTOR)
            with tarfile.open(file, "r:gz") as package:
                members = package.getmembers()
        except (OSError, EOFError, tarfile.TarError) as error:
            raise ExportError(f"{file}: is no gzipped tar file: {error}") from None
        demand(header[MAGIC] == OLD_GNU, file, "is not of GNU's old format")
        names = [member.name for member in members]
        demand(names == [DISK], file, f"holds {', '.join(names)}, not {DISK} alone")
        size = members[0].size
        demand(size % GIB == 0, file, f"its disk has {size} bytes, which is no whole GiB")

    def disk_of(self, file: Path, folder: Path) -> Disk:
        return Disk(tar.extract(file, DISK, folder), "raw")
