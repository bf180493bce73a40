"""An image that is as small as the tests of boxes and exports allow."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

MIB = 1 << 20
ROOT = 2 * MIB  # bytes from the beginning
SIZE = 24 * MIB + 512  # bytes; most formats of clouds need more


def write(image: Path, content: bytes = b"") -> None:
    """Write a qcow2 of SIZE: GPT, and one ext4 root that holds /var/lib.

    A free block of the root holds `content`.
    """
    with TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        with raw.open("wb") as file:
            file.truncate(SIZE)
        table = "label: gpt\nstart=2MiB, size=20MiB\n"
        subprocess.run(["sfdisk", "--quiet", raw], input=table, text=True, check=True)
        tree = Path(folder, "tree")
        (tree / "var/lib").mkdir(parents=True)
        form = ("-t", "ext4", "-d", tree, "-E", f"offset={ROOT}")
        subprocess.run(["mke2fs", "-q", *form, raw, "20M"], check=True)
        with raw.open("r+b") as file:
            file.seek(20 * MIB)
            file.write(content)
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], check=True)
