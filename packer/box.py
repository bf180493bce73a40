"""`make box`: Vagrant boxes of one system, from its base disk.

A box is the machine that Laurel bakes from, and Vagrant's user. The setting is OS, from the
environment.
"""

import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cli
import settings
import sources
import vagrant_box
from base_disk import BaseDisk
from progress import Progress
from run import logged
from settings import SettingError
from vagrant_box import BoxError

TOP = Path(__file__).resolve().parent.parent
PACKER = TOP / "packer"
BUILD = TOP / "build"


@dataclass(frozen=True)
class Boxes:
    """The boxes of one system: build/box/laurel-OS-PROVIDER.box and laurel-OS.json."""

    os: str

    @property
    def folder(self) -> Path:
        return BUILD / "box"

    @property
    def catalog(self) -> Path:
        """Vagrant's description of a box with its versions and providers."""
        return self.folder / f"laurel-{self.os}.json"

    def file(self, provider: str) -> Path:
        return self.folder / f"laurel-{self.os}-{provider}.box"

    def is_current(self, key: str) -> bool:
        """Whether both boxes are there, whole, and were made from `key`."""
        if not self.catalog.is_file():
            return False
        known: dict[str, Any] = json.loads(self.catalog.read_text())
        return known["description"] == _description(key) and all(
            self.file(provider["name"]).is_file()
            and sources.file_digest(self.file(provider["name"])) == provider["checksum"]
            for provider in known["versions"][0]["providers"]
        )

    def publish(self, made: dict[str, Path], key: str) -> None:
        """Put the box of each provider and their description in place of the former ones."""
        self.catalog.unlink(missing_ok=True)
        for provider, box in made.items():
            box.replace(self.file(provider))
        providers = [
            {
                "name": provider,
                "url": self.file(provider).as_uri(),
                "checksum_type": "sha256",
                "checksum": sources.file_digest(self.file(provider)),
            }
            for provider in made
        ]
        # Vagrant keeps a box by its version: another content needs another one.
        version = time.strftime("%Y%m%d.%H%M%S", time.gmtime())
        catalog = {
            "name": f"laurel/{self.os}",
            "description": _description(key),
            "versions": [{"version": version, "providers": providers}],
        }
        self.catalog.write_text(json.dumps(catalog, indent=2) + "\n")


def main() -> int:
    """Make the boxes; return the exit code."""
    system = settings.system()
    progress = Progress(total=5)
    log = BUILD / "logs" / f"box-{system}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    return cli.run(
        "box",
        lambda: make(system, log, progress),
        progress=progress,
        refusals=(BoxError, SettingError),
        shown=str,
    )


def make(system: str, log: Path, progress: Progress) -> None:
    """From the base disk to the boxes of `system`."""
    var_file = settings.var_file(PACKER / "os", system)
    base_disk = BaseDisk(PACKER / "base", var_file, BUILD / "base" / system, log)
    boxes = Boxes(system)

    progress.step("what the boxes are made from")
    index = base_disk.index()
    if not index:
        raise BoxError(f"the archive of {system} can't be asked; its answer is in {log}")
    key = sources.digest([*vagrant_box.CODE, Path(__file__)], base_disk.key(index))
    if boxes.is_current(key):
        progress.note(f"nothing to do: {boxes.catalog} is made from just this")
        return

    progress.step(f"the base disk of {system}")
    base = base_disk.build(index, progress) / "base.qcow2"

    boxes.folder.mkdir(parents=True, exist_ok=True)
    work = boxes.folder / f".{system}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        progress.step("Vagrant's user")
        disk = work / "disk.raw"
        logged(["qemu-img", "convert", "-O", "raw", str(base), str(disk)], log)
        vagrant_box.seed(disk, work, f"{system}-box")
        progress.step("the boxes")
        made = {
            provider: vagrant_box.pack(provider, disk, work, log)
            for provider in vagrant_box.PROVIDERS
        }
        boxes.publish(made, key)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress.step(f"done: {boxes.catalog}")


def _description(key: str) -> str:
    return f"The machine that Laurel bakes from, with Vagrant's user. Made from {key[:16]}."


if __name__ == "__main__":
    sys.exit(main())
