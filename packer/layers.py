"""The layers that a bake starts from: base, packages, environment.

The steps of provision.sh make each one in a root file system on this host, without an emulator.
They are kept until what they are made from changes.
"""

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sources
from exclusive import exclusive
from progress import Progress
from project import requirements
from run import as_root, logged

# What decides the packages of step 10, in provision/; its caller and its library count too.
PACKAGES = ("isolate.sh", "lib.sh", "provision.sh", "files/etc/needrestart", "steps/10-packages.sh")
# What decides the virtual environment of step 15.
ENVIRONMENT = (
    *("project/requirements.py", "project/pins.py", "files/usr/lib/laurel/servers"),
    *("servers.txt", "uv.txt", "system-packages.txt", "production/requirements.txt"),
    "steps/15-environment.sh",
)
SETTINGS = (
    "REQUIREMENTS",
    "SITE_PYTHON",
    "APT_PACKAGES",
    "BUILD_PACKAGES",
    "ASGI_SERVER",
    "HTTP_SERVER",
    "CHANNEL_LAYER",
)


@dataclass(frozen=True)
class Layers:
    """The layers of one project on one system.

    Attributes:
        provision: the steps.
        packer: packer/, which has layer.sh and disk.sh.
        base: the folder of the base system, which base_disk.py builds.
        build: where layers, locks and caches are kept.
        os: the system.
        name: the image, without its ending.
        project: the project's folder.
        settings: every baked setting.
        log: takes the output of the steps.
    """

    provision: Path
    packer: Path
    base: Path
    build: Path
    os: str
    name: str
    project: Path
    settings: Mapping[str, str]
    log: Path

    @property
    def lock(self) -> Path:
        """What the requirements were resolved to; empty if they are a lock themselves."""
        return self.build / "locks" / f"{self.name}-{self._requirements()[:12]}.txt"

    def lock_text(self) -> str:
        """The content of the lock; "" if there is none yet."""
        return _text(self.lock)

    def pins(self) -> list[str]:
        """The versions in the lock, as name==version; empty for a lock of the project itself."""
        return re.findall(r"^[A-Za-z0-9][\w.\[\],-]*==[^\s;]+", self.lock_text(), re.MULTILINE)

    def _requirements(self) -> str:
        """The digest of the requirements, and of the settings that decide what they install."""
        files = requirements.sources(self.project, self.project / self.settings["REQUIREMENTS"])
        settings = (f"{name}={self.settings[name]}" for name in SETTINGS)
        return sources.digest([], sources.listing(self.project, files), self.os, *settings)

    def environment(self, pack: Callable[[Path], None], progress: Progress) -> Path:
        """The folder of the last layer, with root/ and disk.qcow2; made if it is missing.

        `pack` writes the payload's tar file. Raises CommandError if a step fails.
        """
        with exclusive(
            self.build / "layers" / f"{self.os}.lock",
            lambda: progress.note("waiting: another command makes a layer"),
        ):
            return self._environment(pack, progress)

    def _environment(self, pack: Callable[[Path], None], progress: Progress) -> Path:
        manager = self.settings["PROCESS_MANAGER"]
        packages = self._layer(self.os, f"packages-{manager}", PACKAGES, self.base.name, manager)
        if not (packages / "root").is_dir():
            self._make(packages, self.base, pack, "10-packages", progress)
        layer = self._layer(
            self.name, "environment", ENVIRONMENT, packages.name, self._requirements()
        )
        resolved = layer / "root/var/cache/laurel/requirements.lock"
        if (
            not self.lock.is_file()
            or not (layer / "root").is_dir()
            or self.lock_text() != _text(resolved)
        ):
            self._make(layer, packages, pack, "15-environment", progress)
            self.lock.parent.mkdir(parents=True, exist_ok=True)
            self.lock.write_text(_text(resolved))
        return layer

    def _layer(self, owner: str, name: str, code: tuple[str, ...], *texts: str) -> Path:
        programs = (self.packer / "layer.sh", self.packer / "disk.sh")
        key = sources.digest([*programs, *(self.provision / one for one in code)], *texts)[:16]
        return self.build / "layers" / owner / name / key

    def disk(self, layer: Path, progress: Progress) -> Path:
        """The disk with the root file system of `layer`; written if it is missing."""
        disk = layer / "disk.qcow2"
        if not disk.is_file():
            progress.note("the disk")
            script = str(self.packer / "disk.sh")
            logged([*as_root(), script, str(layer / "root"), str(self.base), str(disk)], self.log)
        return disk

    def _make(
        self, layer: Path, below: Path, pack: Callable[[Path], None], step: str, progress: Progress
    ) -> None:
        progress.note(f"{step}, without an emulator")
        with tempfile.TemporaryDirectory(prefix="laurel-layer-") as folder:
            payload = Path(folder)
            pack(payload / "payload.tar.gz")
            # Users without rights read the payload, whatever this user's umask is.
            unpack = 'umask 022; chmod 0755 "$1" && tar -xzf "$1/payload.tar.gz" -C "$1"'
            logged(["sh", "-c", unpack, "sh", folder], self.log)
            cache = self.build / "cache" / layer.parent.parent.name
            logged(
                [
                    *(*as_root(), str(self.packer / "layer.sh")),
                    *(str(below / "root"), str(layer), str(payload), str(cache), step),
                ],
                self.log,
                on_line=progress.notes(r"laurel:   (installing .*|packages without .*)"),
            )


def _text(file: Path) -> str:
    return file.read_text() if file.is_file() else ""
