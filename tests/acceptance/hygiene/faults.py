"""Faults to plant on a disk, offline: what a bake that is badly sealed leaves."""

from dataclasses import dataclass
from pathlib import Path

from acceptance.hygiene.disk import Disk
from machine.command import run


@dataclass(frozen=True)
class File:
    """A file with this text; with `append`, the text is a line more of the file that is there."""

    path: str
    text: str = "planted\n"
    append: bool = False


@dataclass(frozen=True)
class Folder:
    """An empty folder."""

    path: str


@dataclass(frozen=True)
class BootFile:
    """A file of the ESP, by its path below /boot/efi."""

    path: str


@dataclass(frozen=True)
class Bytes:
    """What a deleted file leaves: `content` at the beginning of a free block, `at` bytes on."""

    content: bytes
    at: int = 0


Fault = File | Folder | BootFile | Bytes


def plant(faults: list[Fault], disk: Disk, work: Path) -> Disk:
    """Plant all of `faults` on `disk`; the disk as it is then. `work` is a folder for drafts."""
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
    # `Free blocks found: 1234 1235`; the last files' blocks were taken before.
    told = disk.debugfs(f"ffb {len(faults)}").rpartition(":")[2].split()
    with disk.raw.open("r+b") as file:
        for block, fault in zip(told, faults, strict=True):
            file.seek(disk.root + int(block) * disk.block + fault.at)
            file.write(fault.content)
