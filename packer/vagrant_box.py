"""A Vagrant box: a disk on which cloud-init makes Vagrant's user, in each provider's form."""

import json
import shutil
from pathlib import Path

import stream_optimized
import tar
from run import logged, output

FILES = Path(__file__).resolve().parent.parent / "vagrant" / "box"
# What decides on the form of a box.
CODE = (FILES, *(Path(path) for path in (__file__, tar.__file__, stream_optimized.__file__)))
SEED = "/var/lib/cloud/seed/nocloud"
PROVIDERS = ("libvirt", "virtualbox")
# What is in the box of each provider: its disk, and QEMU's name of the disk's format.
DISKS = {"libvirt": ("box.img", "qcow2"), "virtualbox": ("box.vmdk", "vmdk")}


class BoxError(Exception):
    """What was wrong, where, and what to do."""


def seed(disk: Path, work: Path, instance: str) -> None:
    """Write the seed that cloud-init makes Vagrant's user from into the root of a raw `disk`.

    `instance` is the instance-id of its meta-data; `work` is a folder for what is written.
    Raises BoxError if the disk does not take it.
    """
    table = json.loads(output("sfdisk", "--json", str(disk)))["partitiontable"]
    root = next(part for part in table["partitions"] if part["node"] == f"{disk}1")
    system_file = f"{disk}?offset={root['start'] * table['sectorsize']}"
    (work / "meta-data").write_text(f"instance-id: {instance}\nlocal-hostname: laurel\n")
    shutil.copy(FILES / "user-data", work / "user-data")
    folders = [str(Path(SEED).parents[level]) for level in (1, 0)] + [SEED]
    requests = ["set_current_time 20000101"]  # or each box would be another one
    requests += [f"mkdir {folder}" for folder in folders]
    requests += [f"write {work / name} {SEED}/{name}" for name in ("user-data", "meta-data")]
    (work / "requests").write_text("\n".join(requests) + "\n")
    output("debugfs", "-w", "-f", str(work / "requests"), system_file)
    # debugfs tells no failure by its exit code.
    for name in ("user-data", "meta-data"):
        written = output("debugfs", "-R", f"cat {SEED}/{name}", system_file)
        if written != (work / name).read_text():
            raise BoxError(f"debugfs could not write {SEED}/{name} into {disk}")


def pack(provider: str, disk: Path, work: Path, log: Path) -> Path:
    """The box of `provider`, in `work`, of a raw `disk`. Raises CommandError if qemu-img fails."""
    return {"libvirt": _libvirt, "virtualbox": _virtualbox}[provider](disk, work, log)


def _libvirt(disk: Path, work: Path, log: Path) -> Path:
    """A box of vagrant-libvirt: box.img, whose size is told in GiB."""
    image = work / "box.img"
    logged(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", str(disk), str(image)], log)
    gib = -(-disk.stat().st_size // 2**30)
    metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": gib}
    return _box(work, "libvirt", metadata, {"box.img": image})


def _virtualbox(disk: Path, work: Path, log: Path) -> Path:
    """A box of VirtualBox: an OVF of hardware for which a cloud's kernel has drivers."""
    image = work / "box.vmdk"
    stream_optimized.convert(disk, "raw", image, adapter="ide", log=log)
    ovf = (FILES / "box.ovf").read_text()
    for name, value in (
        ("@SIZE@", str(image.stat().st_size)),
        ("@CAPACITY@", str(disk.stat().st_size)),
        ("@NAME@", "laurel"),
    ):
        ovf = ovf.replace(name, value)
    (work / "box.ovf").write_text(ovf)
    files = {
        "box.ovf": work / "box.ovf",
        "box.vmdk": image,
        "Vagrantfile": FILES / "Vagrantfile.virtualbox",
    }
    return _box(work, "virtualbox", {"provider": "virtualbox"}, files)


def _box(work: Path, provider: str, metadata: dict[str, object], files: dict[str, Path]) -> Path:
    """A tar file of `files`, by their names in it, and of what Vagrant must know of them."""
    described = work / "metadata.json"
    described.write_text(json.dumps(metadata) + "\n")
    box = work / f"{provider}.box"
    tar.write(box, {"metadata.json": described, **files})  # the disk in it is compressed
    return box
