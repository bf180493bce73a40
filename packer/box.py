"""`make box`: Vagrant boxes of one system: its base disk and Vagrant's user.

The system is OS, from the environment.
"""

import json
import sys
import time
from pathlib import Path

import cli
import settings
import sources
import vagrant_box
from base_disk import BaseDisk
from finished import Finished
from progress import Progress
from run import as_root, logged
from settings import SettingError
from vagrant_box import PROVIDERS, BoxError

TOP = Path(__file__).resolve().parent.parent
PACKER = TOP / "packer"
BUILD = TOP / "build"


def main() -> int:
    """Make the boxes; return the exit code."""
    system = settings.system()
    progress = Progress(total=5)
    log = BUILD / "logs" / f"box-{system}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    return cli.run(
        "box",
        lambda: make(system, log, progress),
        progress=progress,
        refusals=(BoxError, SettingError),
        shown=str,
    )


def make(system: str, log: Path, progress: Progress) -> None:
    """Make the boxes of `system`, unless they are current."""
    var_file = settings.var_file(PACKER / "os", system)
    base_disk = BaseDisk(PACKER / "base", var_file, BUILD / "base" / system, log)
    finished = Finished(BUILD / "box")
    names = {provider: f"laurel-{system}-{provider}.box" for provider in PROVIDERS}
    catalog = f"laurel-{system}.json"

    progress.step("what the boxes are made from")
    index = base_disk.index()
    if not index:
        raise BoxError(f"the archive of {system} does not answer; see {log}")
    key = sources.digest([*vagrant_box.CODE, Path(__file__)], base_disk.key(index))
    if all(finished.is_current(name, key) for name in (*names.values(), catalog)):
        progress.note(f"nothing to do: {finished.folder / catalog} is current")
        return

    progress.step(f"the base disk of {system}")
    base = base_disk.build(index, progress)

    with finished.work() as work:
        progress.step("Vagrant's user")
        whole, disk = work / "base.qcow2", work / "disk.raw"
        script = str(PACKER / "disk.sh")
        logged([*as_root(), script, str(base / "root"), str(base), str(whole)], log)
        logged(["qemu-img", "convert", "-O", "raw", str(whole), str(disk)], log)
        vagrant_box.seed(disk, work, f"{system}-box")
        progress.step("the boxes")
        made = {
            names[provider]: vagrant_box.pack(provider, disk, work, log) for provider in PROVIDERS
        }
        # Vagrant caches a box under its version: new content needs a new version.
        version = {
            "version": time.strftime("%Y%m%d.%H%M%S", time.gmtime()),
            "providers": [
                {
                    "name": provider,
                    "url": (finished.folder / name).as_uri(),
                    "checksum_type": "sha256",
                    "checksum": sources.file_digest(made[name]),
                }
                for provider, name in names.items()
            ],
        }
        described = {"name": f"laurel/{system}", "versions": [version]}
        (work / catalog).write_text(json.dumps(described, indent=2) + "\n")
        finished.put({**made, catalog: work / catalog}, {"key": key})
    progress.step(f"done: {finished.folder / catalog}")


if __name__ == "__main__":
    sys.exit(main())
