"""The base disk of a system: built from its signed archive, and kept until that changes."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import settings
import sources
from progress import Progress
from run import logged


@dataclass(frozen=True)
class BaseDisk:
    """One system's base disk.

    Attributes:
        builder: packer/base, the scripts and files that it is built with.
        var_file: the system, a file of packer/os/.
        folder: where it is kept.
        log: takes what the builder prints.
    """

    builder: Path
    var_file: Path
    folder: Path
    log: Path

    def index(self) -> str:
        """What the archive holds today; empty if it can't be asked: the log says why."""
        suite = settings.of_system(self.var_file)["suite"]
        asked = subprocess.run(
            [self.builder / "archive-index.sh", suite], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0 and asked.stdout.strip():
            return asked.stdout
        self.log.write_text(asked.stderr)
        return ""

    def key(self, index: str) -> str:
        """What the disk is made from, when the archive holds `index`."""
        return sources.digest([self.builder, self.var_file], index)[:16]

    def build(self, index: str, progress: Progress) -> Path:
        """The folder with base.qcow2 and vmlinuz, built if it is not there.

        Raises CommandError if the build fails.
        """
        built = self.folder / self.key(index)
        disk = built / "base.qcow2"
        if disk.is_file():
            progress.note("built before")
            return built
        # Only the newest is kept: an older one is never asked for again.
        shutil.rmtree(self.folder, ignore_errors=True)
        built.mkdir(parents=True)
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        logged(
            [*as_root, str(self.builder / "build.sh"), str(self.var_file), "auto", str(disk)],
            self.log,
            on_line=progress.notes(r"base: (.*)"),
        )
        return built
