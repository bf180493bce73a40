"""A small read-only drive with files, from which cloud-init configures an instance."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from machine.command import run

SIZE_KIB = 1024  # no cloud accepts user-data of more than 64 KiB

Kind = Literal["disk", "cd"]


@dataclass(frozen=True, kw_only=True)
class Drive:
    """The content of a drive.

    Attributes:
        label: of its file system; cloud-init finds the drive by it.
        files: their texts, by relative path.
        kind: a disk with vfat, or a CD with ISO 9660 and Rock Ridge.
        udf: whether a CD has UDF as well, which Linux then prefers.
    """

    label: str
    files: Mapping[str, str]
    kind: Kind = "disk"
    udf: bool = False

    def write(self, path: Path) -> None:
        """Write the image of the drive to `path`; an older file there is replaced.

        Raises:
            MachineError: mkfs.vfat (dosfstools), mcopy (mtools) or genisoimage is missing or
                failed.
        """
        path.unlink(missing_ok=True)
        with TemporaryDirectory() as folder:
            for name, text in self.files.items():
                source = Path(folder, name)
                source.parent.mkdir(parents=True, exist_ok=True)
                source.write_text(text, encoding="utf-8")
            if self.kind == "cd":
                udf = ["-udf"] if self.udf else []
                run("genisoimage", "-quiet", "-J", "-R", *udf, "-V", self.label, "-o", path, folder)
                return
            run("mkfs.vfat", "-n", self.label, "-C", path, str(SIZE_KIB))
            run("mcopy", "-s", "-i", path, *sorted(Path(folder).iterdir()), "::")
