"""Erases what deleted files left on a disk.

A deleted file leaves its content in free blocks, its name in unused space of its folder, and copies
of both in the journal; a deleted short link leaves its target in its inode. Trimming erases only
free blocks, and not on every disk. Everything here works on a plain file, as an ordinary user.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from run import attempt, logged, output

EXT = ("ext2", "ext3", "ext4")
# Only the boot loader writes these, when the base disk is built.
BOOT = ("", "vfat")
CHUNK = 1 << 20  # bytes read at once


class ScrubError(Exception):
    """Which file system could not be scrubbed, and why."""


@dataclass(frozen=True)
class Partition:
    """A partition: its number, start and size in bytes, and file system as blkid names it."""

    disk: Path
    number: int
    start: int
    size: int
    system: str

    def __str__(self) -> str:
        return f"partition {self.number} ({self.system or 'no file system'})"

    @property
    def device(self) -> str:
        """How the programs of e2fsprogs address it."""
        return f"{self.disk}?offset={self.start}"


def scrub(disk: Path, log: Path) -> list[Partition]:
    """Scrub every ext2, ext3 and ext4 file system of `disk`, a raw image, in place.

    Files, UUIDs and labels stay. Returns the partitions with other file systems, which are not
    scrubbed. `log` takes the programs' output. Raises ScrubError and CommandError.
    """
    found = partitions(disk)
    for partition in found:
        if partition.system in EXT:
            _scrub_ext(partition, log)
    return [partition for partition in found if partition.system not in (*EXT, *BOOT)]


def partitions(disk: Path) -> list[Partition]:
    """The partitions of `disk`; without a partition table, the whole disk as number 0."""
    asked = attempt("sfdisk", "--json", str(disk))
    if asked.returncode:
        return [_partition(disk, 0, 0, disk.stat().st_size)]
    table = json.loads(asked.stdout)["partitiontable"]
    sector = table.get("sectorsize", 512)  # bytes
    return [
        _partition(
            disk,
            int(part["node"].removeprefix(str(disk)).lstrip("p")),
            part["start"] * sector,
            part["size"] * sector,
        )
        for part in table["partitions"]
    ]


def _partition(disk: Path, number: int, start: int, size: int) -> Partition:
    place = ("-O", str(start), "-S", str(size))
    asked = attempt("blkid", "-p", *place, "-o", "value", "-s", "TYPE", str(disk))
    return Partition(disk, number, start, size, asked.stdout.strip())


def _scrub_ext(partition: Partition, log: Path) -> None:
    device = partition.device
    if re.search(r"^Filesystem features:.* needs_recovery", _describe(partition), re.MULTILINE):
        raise ScrubError(f"{partition} was not unmounted cleanly")
    # -D rewrites every folder without its deleted entries.
    _check(partition, "-fyD", log)
    described = _describe(partition)
    journal = re.search(r"^(?:Total )?[Jj]ournal size: +(\d+)([kMG])", described, re.MULTILINE)
    if journal:
        logged(["tune2fs", "-O", "^has_journal", device], log)
    with partition.disk.open("r+b") as file:
        for start, length in free(partition):
            _zero(file, start, length)
    if journal:
        mib = int(int(journal[1]) * {"k": 2**-10, "M": 1, "G": 2**10}[journal[2]])
        logged(["tune2fs", "-j", "-J", f"size={mib}", device], log)
    _check(partition, "-fn", log)


def _check(partition: Partition, how: str, log: Path) -> None:
    """Run e2fsck. Raises ScrubError if errors are left (man e2fsck: 0 is clean, 1 is corrected)."""
    asked = attempt("e2fsck", how, partition.device)
    with log.open("a") as file:
        file.write(asked.stdout + asked.stderr)
    if asked.returncode > (0 if how == "-fn" else 1):
        said = " ".join((asked.stdout + asked.stderr).split())
        raise ScrubError(f"{partition} can't be scrubbed: e2fsck {how} said: {said[-300:]}")


def _describe(partition: Partition) -> str:
    try:
        return output("env", "LC_ALL=C", "dumpe2fs", partition.device)
    except subprocess.CalledProcessError as error:
        raise ScrubError(f"{partition} can't be read: {' '.join(error.stderr.split())}") from error


def free(partition: Partition) -> Iterator[tuple[int, int]]:
    """Start on the disk and length, in bytes, of the free blocks and inodes of `partition`.

    dumpe2fs lists them. Raises ScrubError.
    """
    described = _describe(partition)
    block = _number(r"^Block size:\s+(\d+)", described)
    inode = _number(r"^Inode size:\s+(\d+)", described)
    per_group = _number(r"^Inodes per group:\s+(\d+)", described)
    for group in re.split(r"^Group \d+:", described, flags=re.MULTILINE)[1:]:
        table = partition.start + _number(r"Inode table at (\d+)", group) * block
        for first, last in _ranges(group, "blocks"):
            yield partition.start + first * block, (last - first + 1) * block
        for first, last in _ranges(group, "inodes"):
            yield table + (first - 1) % per_group * inode, (last - first + 1) * inode


def _number(pattern: str, described: str) -> int:
    found = re.search(pattern, described, re.MULTILINE)
    if not found:
        raise ScrubError(f"dumpe2fs printed nothing like {pattern}")
    return int(found[1])


def _ranges(group: str, what: str) -> Iterator[tuple[int, int]]:
    """First and last number of each range, as in `  Free blocks: 3-7, 9`."""
    listed = re.search(rf"^  Free {what}: (.+)$", group, re.MULTILINE)
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", listed[1] if listed else ""):
        yield int(first), int(last or first)


def _zero(file: BinaryIO, start: int, length: int) -> None:
    """Write zeros where there are other bytes, so that holes stay holes."""
    for place in range(start, start + length, CHUNK):
        zeros = bytes(min(CHUNK, start + length - place))
        file.seek(place)
        if file.read(len(zeros)) != zeros:
            file.seek(place)
            file.write(zeros)
