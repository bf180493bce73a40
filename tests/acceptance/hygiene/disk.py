"""The disk of an image as it lies there: nothing boots, nothing is mounted."""

import json
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from machine.command import run
from machine.error import MachineError

ROOT_INODE = 2
# /INODE/MODE/UID/GID/NAME/SIZE/, of `ls -p`; a folder has no size.
_ENTRY = re.compile(r"/(\d+)/(\d{6})/\d+/\d+/(.*)/(\d*)/")


@dataclass(frozen=True)
class Entry:
    """What a path is: its inode, whether it is a folder or a link, its size in bytes."""

    inode: int
    folder: bool
    link: bool
    size: int


class Disk:
    """A raw image: the files of its root and of its ESP by path, and all of its bytes.

    The root is the largest partition with an ext4 file system.
    """

    def __init__(self, raw: Path) -> None:
        """Raises MachineError if there is no such root."""
        self.raw = raw
        table = json.loads(run("sfdisk", "--json", raw))["partitiontable"]
        sector = table.get("sectorsize", 512)  # bytes
        places = {part["start"] * sector: part["size"] * sector for part in table["partitions"]}
        systems = {start: _system(raw, start, size) for start, size in places.items()}
        roots = [start for start, system in systems.items() if system == "ext4"]
        if not roots:
            raise MachineError(f"{raw}: no partition has an ext4 file system: {systems}")
        self.root = max(roots, key=places.__getitem__)
        self.esp = next((start for start, system in systems.items() if system == "vfat"), None)

    @property
    def device(self) -> str:
        """The root, as debugfs takes it."""
        return f"{self.raw}?offset={self.root}"

    @cached_property
    def block(self) -> int:
        """Bytes of a block of the root: its superblock says it, 1024 bytes on."""
        with self.raw.open("rb") as file:
            file.seek(self.root + 1024 + 24)
            return 1024 << int.from_bytes(file.read(4), "little")

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """All that the root file system holds, by its path."""
        found: dict[str, Entry] = {}
        level = {ROOT_INODE: ""}
        while level:
            folders: dict[int, str] = {}
            for inode, name, entry in self._list(list(level)):
                path = f"{level[inode]}/{name}"
                found[path] = entry
                if entry.folder:
                    folders[entry.inode] = path
            level = folders
        return found

    def _list(self, inodes: list[int]) -> Iterator[tuple[int, str, Entry]]:
        """The inode of a folder, and the name and entry of each that is in it."""
        folder = 0
        for line in self.debugfs(*(f"ls -p <{inode}>" for inode in inodes)).splitlines():
            if asked := re.fullmatch(r"debugfs: ls -p <(\d+)>", line):
                folder = int(asked[1])
            elif (told := _ENTRY.fullmatch(line)) and told[3] not in (".", ".."):
                kind = int(told[2], 8) >> 12
                entry = Entry(int(told[1]), kind == 0o04, kind == 0o12, int(told[4] or 0))
                yield folder, told[3], entry

    @cached_property
    def esp_files(self) -> list[str]:
        """The paths of all files of the ESP, as on the machine: /boot/efi/..."""
        if self.esp is None:
            return []
        told = run("mdir", "-b", "-/", "-i", f"{self.raw}@@{self.esp}", "::")
        return [line.replace("::", "/boot/efi", 1) for line in told.splitlines()]

    def read(self, path: str) -> str:
        """The text of a file; empty if there is none."""
        if path not in self.entries:
            return ""
        return run("debugfs", "-R", f"cat <{self.entries[path].inode}>", self.device)

    def debugfs(self, *requests: str, write: bool = False) -> str:
        """What debugfs answers to `requests`, each after a line that repeats it."""
        file = self.raw.with_suffix(".requests")
        file.write_text("".join(f"{request}\n" for request in requests))
        return run("debugfs", *(["-w"] if write else []), "-f", file, self.device)

    def holds(self, place: int, length: int) -> bool:
        """Whether any of `length` bytes from `place` on is not zero."""
        with self.raw.open("rb") as file:
            for start, end in _written(file.fileno(), place, place + length):
                file.seek(start)
                if file.read(end - start).strip(b"\0"):
                    return True
        return False

    def search(self, pattern: bytes) -> Iterator[tuple[int, re.Match[bytes]]]:
        """Each match of a regular expression in the bytes of the disk, and its place on it.

        A pattern that begins with plain text is looked for quickly.
        """
        compiled = re.compile(pattern)
        with (
            self.raw.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            for start, end in _written(file.fileno(), 0, len(content)):
                for match in compiled.finditer(content, start, end):
                    yield match.start(), match


def _system(raw: Path, start: int, size: int) -> str:
    """The file system at `start`, as blkid names it; empty if there is none (man blkid: 2)."""
    place = ("-O", str(start), "-S", str(size))
    try:
        return run("blkid", "-p", *place, "-o", "value", "-s", "TYPE", raw).strip()
    except MachineError as error:
        if "failed (2)" in str(error):
            return ""
        raise


def _written(file: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of each piece of a sparse file between two places that is no hole."""
    while start < end:
        try:
            start = os.lseek(file, start, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole is left
            return
        if start < end:
            hole = min(os.lseek(file, start, os.SEEK_HOLE), end)
            yield start, hole
            start = hole
