"""A disk as small as the tests of boxes and exports allow."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

MIB = 1 << 20
ROOT = 2 * MIB  # bytes from the beginning
SIZE = 24 * MIB


def write(raw: Path) -> None:
    """Write a raw disk of 24 MiB: GPT, and one ext4 root that holds /var/lib."""
    with raw.open("wb") as file:
        file.truncate(SIZE)
    table = "label: gpt\nstart=2MiB, size=20MiB\n"
    subprocess.run(["sfdisk", "--quiet", raw], input=table, text=True, check=True)
    with TemporaryDirectory() as folder:
        Path(folder, "var/lib").mkdir(parents=True)
        form = ("-t", "ext4", "-d", folder, "-E", f"offset={ROOT}")
        subprocess.run(["mke2fs", "-q", *form, raw, "20M"], check=True)


def convert(raw: Path, qcow2: Path) -> None:
    """Write the disk `raw` into `qcow2`."""
    form = ("-f", "raw", "-O", "qcow2")
    subprocess.run(["qemu-img", "convert", *form, raw, qcow2], check=True)
