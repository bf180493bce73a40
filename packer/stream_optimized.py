"""A compressed VMDK that is written and read in one go, streamOptimized: what packages take."""

import re
from pathlib import Path

import sources
from run import logged

SECTOR = 512  # bytes
DESCRIPTOR = 20 * SECTOR  # what qemu-img keeps for it


def convert(disk: Path, form: str, target: Path, *, adapter: str, log: Path) -> None:
    """Write `disk`, whose format is `form`, into the VMDK `target`, for a controller `adapter`.

    The same disk is the same file, if `target` has the same name, which the descriptor repeats.
    Raises CommandError if qemu-img fails.
    """
    options = f"subformat=streamOptimized,adapter_type={adapter}"
    # Its parts must follow each other as on the disk, so not on several CPUs (-W).
    command = ["qemu-img", "convert", "-f", form, "-O", "vmdk", "-o", options]
    logged([*command, str(disk), str(target)], log)
    # qemu-img makes the name of the content up.
    _name_content(target, "00000000")
    _name_content(target, sources.file_digest(target)[:8])


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
