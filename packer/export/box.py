"""Vagrant: the image as a box of each provider.

Its disk differs from the image's by the seed that cloud-init makes Vagrant's user from.
"""

import json
import tarfile
from pathlib import Path
from typing import ClassVar

import tar
import vagrant_box

from export.format import GIB, SECTOR, Disk, ExportError, Format, Source, demand, write_raw

METADATA = "metadata.json"


class Box(Format):
    """A box of one `provider`: libvirt or virtualbox."""

    name: ClassVar[str] = "box"

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.suffix = f"-{provider}.box"

    @property
    def title(self) -> str:
        return f"box of {self.provider}"

    @property
    def code(self) -> list[Path]:
        return [*super().code, *vagrant_box.CODE]

    def content(self, source: Source) -> Disk:
        """The image and the seed, made once for both boxes."""
        disk = Disk(source.work / "seeded.raw", "raw")
        if not disk.path.is_file():
            folder = source.folder("seed")
            fresh = write_raw(source, folder / "disk.raw", SECTOR).path
            vagrant_box.seed(fresh, folder, f"{source.digest[:16]}-box")
            fresh.rename(disk.path)
        return disk

    def make(self, source: Source, target: Path) -> None:
        folder = source.folder(self.provider)
        made = vagrant_box.pack(self.provider, self.content(source).path, folder, source.log)
        made.rename(target)

    def check(self, file: Path) -> None:
        try:
            with tarfile.open(file, "r:") as box:
                names = box.getnames()
                told = box.extractfile(METADATA)
                metadata = json.load(told) if told else {}
        except (tarfile.TarError, KeyError, ValueError) as error:
            raise ExportError(f"{file}: is no box: {error}") from None
        provider = metadata.get("provider")
        demand(provider == self.provider, file, f"is of {provider}, not of {self.provider}")
        needed = {"libvirt": set(), "virtualbox": {"box.ovf", "Vagrantfile"}}[self.provider]
        missing = {*needed, vagrant_box.DISKS[self.provider][0]} - {*names}
        demand(not missing, file, f"has no {', '.join(sorted(missing))}")

    def disk_of(self, file: Path, folder: Path) -> Disk:
        name, form = vagrant_box.DISKS[self.provider]
        disk = Disk(tar.extract(file, name, folder), form)
        metadata = json.loads(tar.extract(file, METADATA, folder).read_text())
        if self.provider == "libvirt":
            gib = -(-disk.size // GIB)
            is_it = (metadata.get("format"), metadata.get("virtual_size")) == (form, gib)
            demand(is_it, file, f"tells of another disk than {form} of {gib} GiB: {metadata}")
        return disk
