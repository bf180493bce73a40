"""What every format has in common, and what qemu-img does for it."""

import json
import os
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import sources
from run import attempt, logged

SECTOR = 512  # bytes
MIB = 1 << 20
GIB = 1 << 30


class ExportError(Exception):
    """What was wrong, where, and what to do."""


@dataclass(frozen=True)
class Disk:
    """A disk in a file, and the format in which QEMU reads it: raw, qcow2, vmdk, vpc."""

    path: Path
    format: str

    def info(self) -> dict[str, Any]:
        """What qemu-img knows of it. Raises ExportError if it can't read it."""
        told = attempt("qemu-img", "info", "--output=json", "-f", self.format, str(self.path))
        if told.returncode:
            raise ExportError(f"{self.path}: is no {self.format}: {told.stderr.strip()}")
        found: dict[str, Any] = json.loads(told.stdout)
        return found

    @property
    def size(self) -> int:
        """Bytes that a machine sees. Raises ExportError if qemu-img can't read it."""
        return int(self.info()["virtual-size"])


@dataclass(frozen=True)
class Source:
    """What an export is made from.

    Attributes:
        image: the proved image.
        digest: its SHA-256, in hexadecimal.
        work: a folder on the file system of the exports, which goes when all of them are made.
        log: takes what the commands print.
    """

    image: Path
    digest: str
    work: Path
    log: Path

    @property
    def disk(self) -> Disk:
        """The image as a disk."""
        return Disk(self.image, "qcow2")

    def folder(self, name: str) -> Path:
        """An own folder in `work`, made if it is not there."""
        made = self.work / name
        made.mkdir(exist_ok=True)
        return made


class Format(ABC):
    """One form of the image.

    Attributes:
        name: what FORMATS calls it.
        suffix: what the name of its file ends with, after that of the image.
    """

    name: ClassVar[str]
    suffix: str

    @property
    def title(self) -> str:
        """What its step is called."""
        return self.name

    @property
    def code(self) -> list[Path]:
        """The files that decide on its form: another export is made when one of them changes."""
        return [Path(__file__), Path(str(sys.modules[type(self).__module__].__file__))]

    def file(self, folder: Path, image: Path) -> Path:
        """Where the export of `image` lies in `folder`."""
        return folder / f"{image.stem}{self.suffix}"

    def key(self, digest: str) -> str:
        """What its export is made from: the image of the SHA-256 `digest`, and its own code."""
        return sources.digest(self.code, digest)

    @abstractmethod
    def make(self, source: Source, target: Path) -> None:
        """Write `target`. Raises CommandError if a command fails, or ExportError."""

    @abstractmethod
    def check(self, file: Path) -> None:
        """Raise ExportError if `file` is not what its cloud demands."""

    @abstractmethod
    def disk_of(self, file: Path, folder: Path) -> Disk:
        """The disk of a finished `file`, unpacked into `folder` if it is in a package."""

    def content(self, source: Source) -> Disk:
        """The disk that a machine must find in the export: that of the image."""
        return source.disk


def demand(met: bool, file: Path, what: str) -> None:
    """Raise ExportError if a demand of `file`'s cloud, which `what` says, is not `met`."""
    if not met:
        raise ExportError(f"{file}: {what}")


def convert(disk: Disk, made: Disk, log: Path, options: str = "") -> None:
    """Write `disk` into `made`, with qemu-img's `options` of that format."""
    form = ["-f", disk.format, "-O", made.format, *(["-o", options] if options else [])]
    logged(["qemu-img", "convert", *form, str(disk.path), str(made.path)], log)


def write_raw(source: Source, target: Path, unit: int) -> Disk:
    """Write the image's bytes into a sparse `target`, its size rounded up to whole `unit` bytes.

    cloud-init grows the partition, and puts the table's copy to the end of the disk, as it does on
    every disk that is larger than the image.
    """
    made = Disk(target, "raw")
    convert(source.disk, made, source.log)
    os.truncate(target, -(-target.stat().st_size // unit) * unit)
    return made


def compare(disk: Disk, content: Disk) -> None:
    """Raise ExportError if a machine would not find on `disk` what is on `content`.

    Of two sizes, what the larger one has besides must be zeros.
    """
    forms = ("-f", disk.format, "-F", content.format)
    told = attempt("qemu-img", "compare", *forms, str(disk.path), str(content.path))
    if told.returncode:
        said = " ".join((told.stdout + told.stderr).split())
        raise ExportError(f"{disk.path}: does not hold what {content.path} does: {said}")
