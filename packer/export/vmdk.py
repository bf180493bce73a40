"""EC2 and VMware: a compressed VMDK that is written and read in one go, streamOptimized.

EC2's VM Import takes no other VMDK, and neither does what is in an OVA.
"""

import os
from pathlib import Path
from typing import ClassVar

import stream_optimized
from run import attempt

from export.format import SECTOR, Disk, Format, Source, demand

ADAPTER = "lsilogic"  # what VMware calls every SCSI controller there, pvscsi too


class Vmdk(Format):
    """A VMDK."""

    name: ClassVar[str] = "vmdk"
    suffix = ".vmdk"

    @property
    def code(self) -> list[Path]:
        return [*super().code, Path(stream_optimized.__file__)]

    def make(self, source: Source, target: Path) -> None:
        os.link(of_image(source), target)

    def check(self, file: Path) -> None:
        disk = Disk(file, "vmdk")
        form = disk.info()["format-specific"]["data"]["create-type"]
        demand(form == "streamOptimized", file, f"is {form}, not streamOptimized")
        with file.open("rb") as content:
            descriptor = content.read(SECTOR + stream_optimized.DESCRIPTOR)
        scsi = f'ddb.adapterType = "{ADAPTER}"'.encode() in descriptor
        demand(scsi, file, "is not for a SCSI controller")
        told = attempt("qemu-img", "check", "-f", "vmdk", str(file))
        demand(told.returncode == 0, file, f"is damaged: {(told.stdout + told.stderr).strip()}")
        in_order = stream_optimized.ends_in_order(file)
        demand(in_order, file, "does not end with the marker of its end, to which VMware reads")

    def disk_of(self, file: Path, folder: Path) -> Disk:  # noqa: ARG002 - it is the disk itself
        return Disk(file, "vmdk")


def of_image(source: Source) -> Path:
    """The image as such a VMDK, made once for all formats that have it: most of a minute's work."""
    made = source.work / "disk.vmdk"
    if not made.is_file():
        disk = source.disk
        fresh = source.folder("vmdk") / made.name
        stream_optimized.convert(disk.path, disk.format, fresh, adapter=ADAPTER, log=source.log)
        fresh.rename(made)
    return made
