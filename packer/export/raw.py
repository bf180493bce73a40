"""For Hetzner and EC2: the disk byte for byte.

Source: VM Import/Export's user guide, "Import a disk as a snapshot".
"""

from pathlib import Path
from typing import ClassVar

from export.format import SECTOR, Disk, Format, Source, demand, write_raw

GPT = b"EFI PART"  # the second sector begins with it: UEFI specification, 5.3.2
BOOT_SIGNATURE = b"\x55\xaa"  # the first sector ends with it


class Raw(Format):
    """A sparse file."""

    name: ClassVar[str] = "raw"
    suffix = ".raw"

    def make(self, source: Source, target: Path) -> None:
        write_raw(source, target, SECTOR)

    def unpack(self, file: Path, folder: Path) -> Disk:  # noqa: ARG002 - nothing to unpack
        with file.open("rb") as disk:
            first, second = disk.read(SECTOR), disk.read(SECTOR)
        bootable = first.endswith(BOOT_SIGNATURE) and second.startswith(GPT)
        demand(bootable, file, "does not begin with a partition table")
        demand(file.stat().st_size % SECTOR == 0, file, "does not end with a whole sector")
        return Disk(file, "raw")
