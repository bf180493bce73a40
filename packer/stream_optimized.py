"""Writes streamOptimized VMDKs: compressed, written and read in one pass, as packages need.

Source: VMware's Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents".
"""

import re
import struct
from pathlib import Path
from typing import BinaryIO

import sources
from run import CommandError, logged

SECTOR = 512  # bytes
DESCRIPTOR = 20 * SECTOR  # the room that qemu-img leaves for it, from the second sector on
OVERHEAD = 64  # offset in the header of an 8-byte number: how many sectors precede the grains
GRAIN = struct.Struct("<QI")  # precedes each grain: its first sector on the disk, its size in bytes


def convert(disk: Path, form: str, target: Path, *, adapter: str, log: Path) -> None:
    """Convert `disk`, in QEMU's format `form`, to the VMDK `target` for a controller `adapter`.

    The same disk gives the same bytes, if `target` has the same name: the descriptor contains it.
    Raises CommandError if qemu-img fails, or if its output is not such a stream.
    """
    options = f"subformat=streamOptimized,adapter_type={adapter}"
    # Not on several CPUs (-W): the grains must have the order that they have on the disk.
    command = ["qemu-img", "convert", "-f", form, "-O", "vmdk", "-o", options]
    logged([*command, str(disk), str(target)], log)
    with target.open("r+b") as vmdk:
        # VMware reads up to the first sector of zeros, and computes its checksum over that part.
        # qemu-img writes no sector of zeros, or several.
        vmdk.seek(end := _end_of_grains(vmdk))
        if vmdk.read().strip(b"\0"):
            raise CommandError(f"qemu-img left a gap in {target}, at byte {end}", [], log)
        vmdk.truncate(end)
        vmdk.truncate(end + SECTOR)
    # qemu-img makes up a random content ID.
    _set_content_id(target, "00000000")
    _set_content_id(target, sources.file_digest(target)[:8])


def ends_in_order(vmdk: Path) -> bool:
    """Whether the last grain is followed by the end marker, a sector of zeros, and nothing else."""
    with vmdk.open("rb") as file:
        file.seek(_end_of_grains(file))
        return file.read() == bytes(SECTOR)


def _end_of_grains(vmdk: BinaryIO) -> int:
    """The offset in bytes at which the last grain of a VMDK of qemu-img's ends.

    qemu-img writes all tables before the grains: there are no other markers between the grains.
    """
    vmdk.seek(OVERHEAD)
    place = int.from_bytes(vmdk.read(8), "little") * SECTOR
    while True:
        vmdk.seek(place)
        marker = vmdk.read(GRAIN.size)
        _, size = GRAIN.unpack(marker) if len(marker) == GRAIN.size else (0, 0)
        if not size:
            return place
        place = -(-(place + GRAIN.size + size) // SECTOR) * SECTOR


def _set_content_id(vmdk: Path, identity: str) -> None:
    """Set the descriptor's CID to 8 hexadecimal digits; qemu-img's own may have fewer."""
    with vmdk.open("r+b") as file:
        file.seek(SECTOR)
        former = file.read(DESCRIPTOR).partition(b"\0")[0]
        text = re.sub(rb"(?<=\nCID=)[0-9a-f]+(?=\n)", identity.encode(), former)
        file.seek(SECTOR)
        file.write(text.ljust(len(former), b"\0"))
