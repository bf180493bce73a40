"""The disk of a machine: a throw-away overlay on an image that is only ever read."""

import json
from pathlib import Path

from machine.command import run
from machine.error import MachineError

GIB = 1024**3


def make_overlay(
    image: Path, overlay: Path, *, size_gib: int | None, image_format: str | None = None
) -> None:
    """Make a qcow2 file on which a machine writes instead of on `image`.

    Args:
        image: a disk image of any format that qemu-img knows.
        overlay: the file to make.
        size_gib: size of the disk that the machine sees, in GiB; None leaves the image's.
        image_format: qemu-img's name of it; None takes the one that its first bytes show, which
            those of a fixed VHD do not.

    Raises:
        MachineError: there is no such image, it cannot be read, or it is larger than `size_gib`.
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
