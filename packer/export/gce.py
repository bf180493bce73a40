"""For Google Compute Engine: only `disk.raw`, in a gzipped tar file of the old GNU format.

Source: Compute Engine's "Manually import boot disks". The disk's size is a whole number of GiB.
"""

import gzip
from pathlib import Path
from typing import ClassVar

from run import logged

from export.format import GIB, SECTOR, Disk, Format, Source, demand, extract, write_raw

DISK = "disk.raw"
OLD_GNU = b"ustar  \0"  # POSIX has "ustar\0" and a version there
MAGIC = slice(257, 265)  # bytes of a header


class Gce(Format):
    """A tar file that stores no holes of the disk."""

    name: ClassVar[str] = "gce"
    suffix = ".tar.gz"

    def make(self, source: Source, target: Path) -> None:
        folder = source.folder("gce")
        disk = write_raw(source, folder / DISK, GIB)
        # GNU tar, because Python's cannot store a file's holes.
        reproducible = ("--mtime=@0", "--owner=root:0", "--group=root:0", "--mode=0644")
        form = ("--create", "--format=oldgnu", "--sparse", "--gzip", *reproducible)
        logged(["tar", *form, f"--file={target}", f"--directory={folder}", DISK], source.log)
        disk.path.unlink()

    def unpack(self, file: Path, folder: Path) -> Disk:
        names = extract(file, folder)
        demand(names == [DISK], file, f"holds {', '.join(names)}, not {DISK} alone")
        with gzip.open(file) as content:
            header = content.read(SECTOR)
        demand(header[MAGIC] == OLD_GNU, file, "is not of the old GNU format")
        size = (folder / DISK).stat().st_size
        demand(size % GIB == 0, file, f"its disk, {size} bytes, is not a whole number of GiB")
        return Disk(folder / DISK, "raw")
