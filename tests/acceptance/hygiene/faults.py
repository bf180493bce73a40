"""Faults to plant on a disk file: traces of a badly sealed bake."""

from dataclasses import dataclass
from pathlib import Path

from acceptance.hygiene.disk import Disk
from machine.command import run


@dataclass(frozen=True)
class File:
    """A file with this text; `append` adds the text to the existing file."""

    path: str
    text: str = "planted\n"
    append: bool = False


@dataclass(frozen=True)
class Folder:
    """An empty folder."""

    path: str


@dataclass(frozen=True)
class BootFile:
    """A file of the ESP; the path is below /boot/efi."""

    path: str


@dataclass(frozen=True)
class Bytes:
    """Remains of a deleted file: `content` in a free block, `at` bytes from its beginning."""

    content: bytes
    at: int = 0


Fault = File | Folder | BootFile | Bytes


def plant(faults: list[Fault], disk: Disk, work: Path) -> Disk:
    """Plant `faults` on `disk` and return the changed disk. `work` is a folder for drafts."""
    requests: list[str] = []
    made: set[str] = set()
    for number, fault in enumerate(faults):
        if isinstance(fault, File | Folder):
            last = 0 if isinstance(fault, File) else 1
            parts = fault.path.split("/")[1:]
            folders = [f"/{'/'.join(parts[:end])}" for end in range(1, len(parts) + last)]
            new = [path for path in folders if path not in disk.entries and path not in made]
            requests += [f"mkdir {path}" for path in new]
            made.update(new)
        if isinstance(fault, File):
            if fault.path in disk.entries:
                requests.append(f"rm {fault.path}")
            draft = work / f"{number}"
            draft.write_text((disk.read(fault.path) if fault.append else "") + fault.text)
            requests.append(f"write {draft} {fault.path}")
        if isinstance(fault, BootFile):
            draft = work / f"{number}"
            draft.write_text("planted\n")
            folder = f"::{fault.path.rpartition('/')[0]}"
            run("mmd", "-D", "s", "-i", f"{disk.raw}@@{disk.esp}", folder)
            run("mcopy", "-i", f"{disk.raw}@@{disk.esp}", draft, f"::{fault.path}")
    disk.debugfs(*requests, write=True)
    _plant_bytes([fault for fault in faults if isinstance(fault, Bytes)], disk)
    return Disk(disk.raw)


def _plant_bytes(faults: list[Bytes], disk: Disk) -> None:
    # `Free blocks found: 1234 1235`, after the blocks of the planted files.
    blocks = disk.debugfs(f"ffb {len(faults)}").rpartition(":")[2].split()
    with disk.raw.open("r+b") as file:
        for block, fault in zip(blocks, faults, strict=True):
            file.seek(disk.root + int(block) * disk.block + fault.at)
            file.write(fault.content)
