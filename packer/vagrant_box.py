"""A Vagrant box: a disk on which cloud-init creates Vagrant's user, packed for a provider."""

import json
import shutil
from pathlib import Path

import stream_optimized
import tar
from run import logged, output

FILES = Path(__file__).resolve().parent.parent / "vagrant" / "box"
# The files that decide what a box looks like.
CODE = (FILES, *(Path(path) for path in (__file__, tar.__file__, stream_optimized.__file__)))
SEED = "/var/lib/cloud/seed/nocloud"
PROVIDERS = ("libvirt", "virtualbox")
# The disk in each provider's box, and QEMU's name of its format.
DISKS = {"libvirt": ("box.img", "qcow2"), "virtualbox": ("box.vmdk", "vmdk")}


class BoxError(Exception):
    """What was wrong, where, and what to do."""


def seed(disk: Path, work: Path, instance: str) -> None:
    """Write cloud-init's seed, which creates Vagrant's user, into the root of the raw `disk`.

    `instance` is its instance-id; `work` is a folder for the seed's files.
    Raises BoxError if the disk does not take them.
    """
    table = json.loads(output("sfdisk", "--json", str(disk)))["partitiontable"]
    root = next(part for part in table["partitions"] if part["node"] == f"{disk}1")
    file_system = f"{disk}?offset={root['start'] * table['sectorsize']}"
    (work / "meta-data").write_text(f"instance-id: {instance}\nlocal-hostname: laurel\n")
    shutil.copy(FILES / "user-data", work)
    folders = [str(Path(SEED).parents[level]) for level in (1, 0)] + [SEED]
    requests = ["set_current_time 20000101"]  # a fixed time makes the box reproducible
    requests += [f"mkdir {folder}" for folder in folders]
    requests += [f"write {name} {SEED}/{name}" for name in ("user-data", "meta-data")]
    (work / "requests").write_text("\n".join(requests) + "\n")
    output("debugfs", "-w", "-f", "requests", file_system, cwd=work)
    # debugfs exits with 0 after a failure, too.
    for name in ("user-data", "meta-data"):
        written = output("debugfs", "-R", f"cat {SEED}/{name}", file_system)
        if written != (work / name).read_text():
            raise BoxError(f"debugfs could not write {SEED}/{name} into {disk}")


def pack(provider: str, disk: Path, work: Path, log: Path) -> Path:
    """Pack a raw `disk` into a box of `provider` in `work`. Raises CommandError if it fails."""
    box = work / f"{provider}.box"
    name, form = DISKS[provider]
    packed = work / name
    size = disk.stat().st_size
    if provider == "libvirt":
        command = ["qemu-img", "convert", "-c", "-f", "raw", "-O", form, str(disk), str(packed)]
        logged(command, log)
        gib = -(-size // 2**30)
        metadata = {"provider": provider, "format": form, "virtual_size": gib}
        tar.write(box, {"metadata.json": _json(metadata), name: packed})
    else:
        stream_optimized.convert(disk, "raw", packed, adapter="ide", log=log)
        ovf = (FILES / "box.ovf").read_text()
        ovf = ovf.replace("@SIZE@", str(packed.stat().st_size)).replace("@CAPACITY@", str(size))
        members: dict[str, Path | bytes] = {
            "metadata.json": _json({"provider": provider}),
            "box.ovf": ovf.encode(),
            name: packed,
            "Vagrantfile": FILES / "Vagrantfile.virtualbox",
        }
        tar.write(box, members)
    return box


def _json(content: object) -> bytes:
    return (json.dumps(content) + "\n").encode()
