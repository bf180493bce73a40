"""For Vagrant: the image as a box of each provider.

Its disk is the image, plus the seed from which cloud-init creates Vagrant's user.
"""

from pathlib import Path
from typing import ClassVar

import vagrant_box

from export.format import SECTOR, Disk, Format, Source, extract, write_raw


class Box(Format):
    """A box of one `provider`: libvirt or virtualbox."""

    name: ClassVar[str] = "box"

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.suffix = f"-{provider}.box"

    @property
    def title(self) -> str:
        return f"{self.provider} box"

    def content(self, source: Source) -> Disk:
        """The image with the seed, made once for both boxes."""
        disk = Disk(source.work / "seeded.raw", "raw")
        if not disk.path.is_file():
            write_raw(source, disk.path, SECTOR)
            vagrant_box.seed(disk.path, source.work, f"{source.digest[:16]}-box")
        return disk

    def make(self, source: Source, target: Path) -> None:
        disk = self.content(source).path
        vagrant_box.pack(self.provider, disk, source.work, source.log).rename(target)

    def unpack(self, file: Path, folder: Path) -> Disk:
        extract(file, folder)
        name, form = vagrant_box.DISKS[self.provider]
        return Disk(folder / name, form)
