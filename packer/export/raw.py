"""Hetzner and EC2: the disk byte for byte, for `import-snapshot` or EBS's own interface there.

From: VM Import/Export's user guide, "Import a disk as a snapshot".
"""

from pathlib import Path
from typing import ClassVar

from export.format import SECTOR, Disk, Format, Source, demand, write_raw

GPT = b"EFI PART"  # UEFI specification, 5.3.2: the second sector begins with it
BOOT_SIGNATURE = b"\x55\xaa"  # ends the first sector


class Raw(Format):
    """A sparse file."""

    name: ClassVar[str] = "raw"
    suffix = ".raw"

    def make(self, source: Source, target: Path) -> None:
        write_raw(source, target, SECTOR)

    def check(self, file: Path) -> None:
        with file.open("rb") as disk:
            first, second = disk.read(SECTOR), disk.read(SECTOR)
        bootable = first.endswith(BOOT_SIGNATURE) and second.startswith(GPT)
        demand(bootable, file, "does not begin with a partition table, as a raw disk does")
        demand(file.stat().st_size % SECTOR == 0, file, "does not end with a whole sector")

    def disk_of(self, file: Path, folder: Path) -> Disk:  # noqa: ARG002 - it is the disk itself
        return Disk(file, "raw")
