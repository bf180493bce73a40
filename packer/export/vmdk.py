"""For EC2 and VMware: a streamOptimized VMDK, the only kind that VM Import and an OVA take."""

import os
from pathlib import Path
from typing import ClassVar

import stream_optimized
from run import attempt

from export.format import SECTOR, Disk, Format, Source, demand

ADAPTER = "lsilogic"  # VMware's name in a VMDK for every SCSI controller, pvscsi too


class Vmdk(Format):
    """A VMDK."""

    name: ClassVar[str] = "vmdk"
    suffix = ".vmdk"

    def make(self, source: Source, target: Path) -> None:
        os.link(vmdk_of_image(source), target)

    def unpack(self, file: Path, folder: Path) -> Disk:  # noqa: ARG002 - nothing to unpack
        disk = Disk(file, "vmdk")
        form = disk.info()["format-specific"]["data"]["create-type"]
        demand(form == "streamOptimized", file, f"is {form}, not streamOptimized")
        with file.open("rb") as content:
            descriptor = content.read(SECTOR + stream_optimized.DESCRIPTOR)
        scsi = f'ddb.adapterType = "{ADAPTER}"'.encode() in descriptor
        demand(scsi, file, "is not for a SCSI controller")
        checked = attempt("qemu-img", "check", "-f", "vmdk", str(file))
        output = (checked.stdout + checked.stderr).strip()
        demand(checked.returncode == 0, file, f"is damaged: {output}")
        in_order = stream_optimized.ends_in_order(file)
        demand(in_order, file, "does not end with the end marker, up to which VMware reads")
        return disk


def vmdk_of_image(source: Source) -> Path:
    """The image as a VMDK, made once for all formats that contain it: it takes most of a minute."""
    vmdk = source.work / "disk.vmdk"
    if not vmdk.is_file():
        disk = source.disk
        stream_optimized.convert(disk.path, disk.format, vmdk, adapter=ADAPTER, log=source.log)
    return vmdk
