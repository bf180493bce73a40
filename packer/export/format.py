"""What all formats share, and what qemu-img does for them."""

import json
import os
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import tar
from run import attempt, logged

SECTOR = 512  # bytes
MIB = 1 << 20
GIB = 1 << 30


class ExportError(Exception):
    """What was wrong, where, and what to do."""


@dataclass(frozen=True)
class Disk:
    """A disk in a file; `format` is QEMU's name of its format: raw, qcow2, vmdk or vpc."""

    path: Path
    format: str

    def info(self) -> dict[str, Any]:
        """What `qemu-img info` says. Raises ExportError if it cannot read the disk."""
        info = attempt("qemu-img", "info", "--output=json", "-f", self.format, str(self.path))
        if info.returncode:
            raise ExportError(f"{self.path}: not a {self.format} disk: {info.stderr.strip()}")
        return dict(json.loads(info.stdout))

    @property
    def size(self) -> int:
        """The size in bytes that a machine sees."""
        return int(self.info()["virtual-size"])


@dataclass(frozen=True)
class Source:
    """What an export is made from.

    Attributes:
        image: the proved image, and `digest` its SHA-256 in hexadecimal.
        work: a folder on the file system of the exports, removed when all of them are made.
        log: gets the output of commands.
    """

    image: Path
    digest: str
    work: Path
    log: Path

    @property
    def disk(self) -> Disk:
        return Disk(self.image, "qcow2")

    def folder(self, name: str) -> Path:
        """A folder in `work`, created if it is missing."""
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        return folder


class Format(ABC):
    """One format of the image.

    Attributes:
        name: its name in FORMATS.
        suffix: the end of its file's name, after the image's name.
    """

    name: ClassVar[str]
    suffix: str

    @property
    def title(self) -> str:
        """The name of its step."""
        return self.name

    def file(self, folder: Path, image: Path) -> Path:
        """The path in `folder` of the export of `image`."""
        return folder / f"{image.stem}{self.suffix}"

    @abstractmethod
    def make(self, source: Source, target: Path) -> None:
        """Write `target`. Raises CommandError if a command fails, or ExportError."""

    @abstractmethod
    def unpack(self, file: Path, folder: Path) -> Disk:
        """Check a finished `file`; return its disk, unpacked into `folder` if it is in a package.

        Raises ExportError if `file` is not what its cloud demands.
        """

    def content(self, source: Source) -> Disk:
        """The disk that the export must hold: the image."""
        return source.disk


def demand(met: bool, file: Path, what: str) -> None:
    """Raise ExportError, which says `what` is wrong with `file`, unless the demand is `met`."""
    if not met:
        raise ExportError(f"{file}: {what}")


def extract(file: Path, folder: Path) -> list[str]:
    """Unpack a package, and return its names. Raises ExportError if it is not a whole tar file."""
    try:
        return tar.extract(file, folder)
    except subprocess.CalledProcessError as error:
        raise ExportError(f"{file}: not a whole tar file: {error.stderr.strip()}") from None


def convert(disk: Disk, target: Disk, log: Path, options: str = "") -> None:
    """Convert `disk` to `target`, with qemu-img's `options` of the target's format."""
    form = ["-f", disk.format, "-O", target.format, *(["-o", options] if options else [])]
    logged(["qemu-img", "convert", *form, str(disk.path), str(target.path)], log)


def write_raw(source: Source, target: Path, unit: int) -> Disk:
    """Write the image into a sparse raw `target` whose size is a multiple of `unit` bytes.

    The zeros at its end do no harm: on any disk larger than the image, cloud-init grows the
    partition and moves the backup of the partition table.
    """
    disk = Disk(target, "raw")
    convert(source.disk, disk, source.log)
    os.truncate(target, -(-target.stat().st_size // unit) * unit)
    return disk


def compare(disk: Disk, content: Disk) -> None:
    """Raise ExportError if a machine would see a difference between `disk` and `content`.

    If one of them is larger, only zeros may follow.
    """
    forms = ("-f", disk.format, "-F", content.format)
    compared = attempt("qemu-img", "compare", *forms, str(disk.path), str(content.path))
    if compared.returncode:
        output = " ".join((compared.stdout + compared.stderr).split())
        raise ExportError(f"{disk.path}: its content differs from {content.path}: {output}")
