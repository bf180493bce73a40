"""A compressed VMDK that is written and read in one go, streamOptimized: what packages take.

From: VMware's Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents".
"""

import re
import struct
from pathlib import Path
from typing import BinaryIO

import sources
from run import CommandError, logged

SECTOR = 512  # bytes
DESCRIPTOR = 20 * SECTOR  # what qemu-img keeps for it
OVERHEAD = 64  # where the header tells how many sectors come before the grains, in 8 bytes
GRAIN = struct.Struct("<QI")  # before each: its first sector on the disk; its bytes here


def convert(disk: Path, form: str, target: Path, *, adapter: str, log: Path) -> None:
    """Write `disk`, whose format is `form`, into the VMDK `target`, for a controller `adapter`.

    The same disk is the same file, if `target` has the same name, which the descriptor repeats.
    Raises CommandError if qemu-img fails, or writes what is no such stream.
    """
    options = f"subformat=streamOptimized,adapter_type={adapter}"
    # Its parts must follow each other as on the disk, so not on several CPUs (-W).
    command = ["qemu-img", "convert", "-f", form, "-O", "vmdk", "-o", options]
    logged([*command, str(disk), str(target)], log)
    with target.open("r+b") as vmdk:
        # qemu-img writes no end, or zeros that are more than one: VMware reads to the first sector
        # of zeros, and has another checksum then than that of the file.
        vmdk.seek(end := _end_of_grains(vmdk))
        if vmdk.read().strip(b"\0"):
            raise CommandError(f"qemu-img left a gap in {target}, at byte {end}", [], log)
        vmdk.truncate(end)
        vmdk.truncate(end + SECTOR)
    # qemu-img makes the name of the content up.
    _name_content(target, "00000000")
    _name_content(target, sources.file_digest(target)[:8])


def ends_in_order(vmdk: Path) -> bool:
    """Whether after the last grain comes the marker of the end, a sector of zeros, and no more."""
    with vmdk.open("rb") as file:
        file.seek(_end_of_grains(file))
        return file.read() == bytes(SECTOR)


def _end_of_grains(vmdk: BinaryIO) -> int:
    """How many bytes of a VMDK of qemu-img's come before what follows its last grain.

    Its tables precede the grains, which so have no other markers between them.
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


def _name_content(vmdk: Path, identity: str) -> None:
    """Set the CID of the descriptor, 8 hexadecimal digits; qemu-img's own may have fewer.

    Zeros follow the descriptor, a text that begins with the second sector.
    """
    with vmdk.open("r+b") as file:
        file.seek(SECTOR)
        former = file.read(DESCRIPTOR).partition(b"\0")[0]
        text = re.sub(rb"(?<=\nCID=)[0-9a-f]+(?=\n)", identity.encode(), former)
        file.seek(SECTOR)
        file.write(text.ljust(len(former), b"\0"))
