"""The disk of a machine: a throw-away overlay on a read-only image."""

import json
from pathlib import Path

from machine.command import run
from machine.error import MachineError

GIB = 1024**3


def make_overlay(
    image: Path, overlay: Path, *, size_gib: int | None, image_format: str | None = None
) -> None:
    """Create the qcow2 file `overlay`, which takes a machine's writes instead of `image`.

    Args:
        size_gib: size of the machine's disk in GiB; None keeps the image's.
        image_format: qemu-img's name of the image's format; None detects it from the first bytes,
            which is not possible for a fixed VHD.

    Raises:
        MachineError: the image is missing, unreadable, or larger than `size_gib`.
    """
    if not image.is_file():
        raise MachineError(f"{image}: no such image (`make image` builds one)")
    known = [] if image_format is None else ["-f", image_format]
    info = json.loads(run("qemu-img", "info", "--output=json", *known, image))
    size = [] if size_gib is None else [f"{size_gib}G"]
    if size_gib is not None and size_gib * GIB < info["virtual-size"]:
        raise MachineError(
            f"{image}: has {info['virtual-size'] / GIB:g} GiB, cannot be shrunk to {size_gib} GiB"
        )
    run(
        "qemu-img", "create", "-q",
        "-f", "qcow2",
        "-b", image.resolve(),
        "-F", info["format"],
        overlay,
        *size,
    )  # fmt: skip
