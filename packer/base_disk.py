"""The base system: built from its signed archive, and kept until the archive changes."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import settings
import sources
from exclusive import exclusive
from progress import Progress
from run import as_root, logged


@dataclass(frozen=True)
class BaseDisk:
    """One system's base disk.

    Attributes:
        builder: packer/base, the scripts and files that build it.
        var_file: the system, a file of packer/os/.
        folder: where it is kept.
        log: takes the builder's output.
    """

    builder: Path
    var_file: Path
    folder: Path
    log: Path

    def index(self) -> str:
        """The checksums of the archive's packages; "" if it does not answer (the log says why)."""
        suite = settings.of_system(self.var_file)["suite"]
        asked = subprocess.run(
            [self.builder / "archive-index.sh", suite], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0 and asked.stdout.strip():
            return asked.stdout
        self.log.write_text(asked.stderr)
        return ""

    def key(self, index: str) -> str:
        """The digest of the disk's sources; `index` is that of the archive."""
        return sources.digest([self.builder, self.var_file], index)[:16]

    def build(self, index: str, progress: Progress) -> Path:
        """The folder that build.sh fills, made if it is missing.

        Raises CommandError if the build fails, RootError if this user can't become root.
        """
        built = self.folder / self.key(index)
        lock = self.folder.parent / f"{self.folder.name}.lock"
        with exclusive(lock, lambda: progress.note("waiting: another command builds it")):
            if (built / "root").is_dir():
                progress.note("built before")
                return built
            built.mkdir(parents=True, exist_ok=True)
            logged(
                [
                    *as_root(),
                    str(self.builder / "build.sh"),
                    str(self.var_file),
                    "auto",
                    str(built),
                ],
                self.log,
                on_line=progress.notes(r"base: (.*)"),
            )
            # As late as possible, because another bake may be copying the former disk.
            formers = [str(former) for former in self.folder.iterdir() if former != built]
            logged([*as_root(), "rm", "-rf", "--", *formers], self.log)
        return built
