"""The disk of an image, read without booting or mounting it."""

import mmap
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import scrub
from machine.command import run
from machine.error import MachineError

ROOT_INODE = 2
# /INODE/MODE/UID/GID/NAME/SIZE/, of `ls -p`; a folder has no size.
_ENTRY = re.compile(r"/(\d+)/(\d{6})/\d+/\d+/(.*)/(\d*)/")


@dataclass(frozen=True)
class Entry:
    """A directory entry; `size` is in bytes."""

    inode: int
    folder: bool
    link: bool
    size: int


class Disk:
    """A raw image: the files of its root and its ESP by path, and all of its bytes.

    The root is the largest partition with an ext4 file system.
    """

    def __init__(self, raw: Path) -> None:
        """Raises MachineError if there is no such root."""
        self.raw = raw
        partitions = scrub.partitions(raw)
        roots = [part for part in partitions if part.system == "ext4"]
        if not roots:
            raise MachineError(f"{raw}: no partition has an ext4 file system: {partitions}")
        self.partition = max(roots, key=lambda part: part.size)
        self.root = self.partition.start
        self.esp = next((part.start for part in partitions if part.system == "vfat"), None)

    @property
    def device(self) -> str:
        """The root file system, for the programs of e2fsprogs."""
        return f"{self.raw}?offset={self.root}"

    @cached_property
    def block(self) -> int:
        """Block size of the root in bytes, from its superblock at byte 1024."""
        with self.raw.open("rb") as file:
            file.seek(self.root + 1024 + 24)
            return 1024 << int.from_bytes(file.read(4), "little")

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """All entries of the root file system by path."""
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
        """The inode of a folder, and the name and entry of each of its members."""
        folder = 0
        for line in self.debugfs(*(f"ls -p <{inode}>" for inode in inodes)).splitlines():
            if asked := re.fullmatch(r"debugfs: ls -p <(\d+)>", line):
                folder = int(asked[1])
            elif (found := _ENTRY.fullmatch(line)) and found[3] not in (".", ".."):
                kind = int(found[2], 8) >> 12
                entry = Entry(int(found[1]), kind == 0o04, kind == 0o12, int(found[4] or 0))
                yield folder, found[3], entry

    @cached_property
    def esp_files(self) -> list[str]:
        """The paths of all files of the ESP, below /boot/efi."""
        if self.esp is None:
            return []
        listed = run("mdir", "-b", "-/", "-i", f"{self.raw}@@{self.esp}", "::")
        return [line.replace("::", "/boot/efi", 1) for line in listed.splitlines()]

    def read(self, path: str) -> str:
        """The text of a file; empty if it does not exist."""
        if path not in self.entries:
            return ""
        return run("debugfs", "-R", f"cat <{self.entries[path].inode}>", self.device)

    def debugfs(self, *requests: str, write: bool = False) -> str:
        """The output of debugfs for `requests`; before each is a line that repeats it."""
        file = self.raw.with_suffix(".requests")
        file.write_text("".join(f"{request}\n" for request in requests))
        return run("debugfs", *(["-w"] if write else []), "-f", file, self.device)

    def holds(self, place: int, length: int) -> bool:
        """Whether any of the `length` bytes at `place` is not zero."""
        with self.raw.open("rb") as file:
            for start, end in _written(file.fileno(), place, place + length):
                file.seek(start)
                if file.read(end - start).strip(b"\0"):
                    return True
        return False

    def search(self, pattern: bytes) -> Iterator[tuple[int, re.Match[bytes]]]:
        """Each match of a regular expression in the bytes of the disk, with its place.

        Patterns that begin with plain text are fast.
        """
        compiled = re.compile(pattern)
        with (
            self.raw.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            for start, end in _written(file.fileno(), 0, len(content)):
                for match in compiled.finditer(content, start, end):
                    yield match.start(), match


def _written(file: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of each range of a sparse file that is not a hole, between two places."""
    while start < end:
        try:
            start = os.lseek(file, start, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        if start < end:
            hole = min(os.lseek(file, start, os.SEEK_HOLE), end)
            yield start, hole
            start = hole
