"""`make export`: the content of each format, what its check refuses, what a failure leaves."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import stream_optimized
import vagrant_box
from export import ExportError, Format, Source
from export import __main__ as command
from export.box import Box
from export.format import MIB
from export.gce import Gce
from export.raw import Raw
from export.vhd import Vhd
from export.vmdk import Vmdk
from integration import small_disk
from run import logged

NAME = "laurel-debian-13-amd64"
RAW, VHD, GCE = f"{NAME}.raw", f"{NAME}.vhd", f"{NAME}.tar.gz"
BOXES = {f"{NAME}-libvirt.box", f"{NAME}-virtualbox.box"}
ALL = {RAW, VHD, GCE, f"{NAME}.vmdk", f"{NAME}.ova", *BOXES}
DESCRIPTIONS = {"SHA256SUMS", "manifest.json"}
make_vhd = Vhd.make


def run(*arguments: str | Path) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = tmp_path_factory.mktemp("image") / f"{NAME}.qcow2"
    small_disk.write(image)
    return image


@pytest.fixture(scope="module")
def exports(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all exports of `image`; tests change copies only."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("build")
        patch.setattr(command, "BUILD", folder)
        patch.delenv("FORMATS", raising=False)
        assert command.main([str(image)]) == 0
        return folder / "export"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the exports of a test go, in a path with a blank."""
    monkeypatch.setattr(command, "BUILD", tmp_path / "a project" / "build")
    return tmp_path / "a project" / "build" / "export"


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Callable[[Path, str], set[str]]:
    """Export an image to formats, and return the names of the files that were made."""

    def made(image: Path, formats: str) -> set[str]:
        monkeypatch.setenv("FORMATS", formats)
        before = state(folder)
        assert command.main([str(image)]) == 0
        after = state(folder)
        return {name for name in after if after[name] != before.get(name)} - DESCRIPTIONS

    return made


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """The inode and modification time of each file in `folder`."""
    if not folder.is_dir():
        return {}
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def assert_whole(folder: Path, names: set[str]) -> None:
    assert set(state(folder)) == names | DESCRIPTIONS
    sums = run("sha256sum", *sorted(folder / name for name in names))
    assert sums.replace(f"{folder}/", "") == (folder / "SHA256SUMS").read_text()
    assert set(json.loads((folder / "manifest.json").read_text())) == names


# What is made


def test_everything_is_made_with_checksums(exports: Path) -> None:
    assert_whole(exports, ALL)
    assert Vhd().unpack(exports / VHD, exports).size == 25 * MIB
    # No holes are stored.
    for name in (RAW, VHD):
        assert (exports / name).stat().st_blocks * 512 < 4 * MIB
    assert (exports / GCE).stat().st_size < MIB


def test_box_differs_from_the_image_only_by_its_seed(exports: Path, tmp_path: Path) -> None:
    box = Box("libvirt")
    disk = box.unpack(exports / f"{NAME}{box.suffix}", tmp_path).path
    raw, root, tree = (tmp_path / name for name in ("raw", "root", "tree"))
    run("qemu-img", "convert", "-O", "raw", disk, raw)
    root.write_bytes(raw.read_bytes()[small_disk.ROOT :][: 20 * MIB])
    run("e2fsck", "-fn", root)
    tree.mkdir()
    run("debugfs", "-R", f"rdump / {tree}", root)
    seed = {f"/{file.relative_to(tree)}" for file in tree.rglob("*") if file.is_file()}
    assert seed == {f"{vagrant_box.SEED}/user-data", f"{vagrant_box.SEED}/meta-data"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("laurel-R&D site-debian-13", "debian10_64Guest"), ("laurel-ubuntu-24.04", "ubuntu64Guest")],
)
def test_ova_describes_its_system_disk_and_devices(
    image: Path, export: Callable[[Path, str], set[str]], folder: Path, name: str, kind: str
) -> None:
    export(Path(shutil.copy(image, folder.parents[2] / f"{name}.qcow2")), "ova")
    unpacked = folder.parents[2]
    names = run("tar", "-xvf", folder / f"{name}.ova", "-C", unpacked).splitlines()
    assert [Path(name).suffix for name in names] == [".ovf", ".mf", ".vmdk"]
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)
    ovf, manifest, vmdk = (unpacked / name for name in names)
    sums = re.sub(r"SHA256\((.*)\)= (\w+)", r"\2  \1", manifest.read_text())
    assert sums.replace("  ", f"  {unpacked}/") == run("sha256sum", ovf, vmdk)
    text = ovf.read_text()
    for expected in (
        f'href="{vmdk.name}" ovf:size="{vmdk.stat().st_size}"',
        f'capacity="{small_disk.SIZE}"',
        f'osType="{kind}"',
        "VirtualSCSI",
        "VmxNet3",
    ):
        assert expected in text
    assert "@" not in text.split("-->")[1]


def test_same_image_gives_the_same_bytes(
    image: Path, exports: Path, export: Callable[[Path, str], set[str]], folder: Path
) -> None:
    time.sleep(1.1)  # the times in the files have a resolution of a second
    export(image, "")
    assert (folder / "SHA256SUMS").read_text() == (exports / "SHA256SUMS").read_text()


def test_vmdk_ends_where_vmware_stops_reading(image: Path, tmp_path: Path) -> None:
    """Otherwise VMware computes another checksum than the manifest's, which covers the file."""
    raw, vmdk = tmp_path / "raw", tmp_path / "vmdk"
    run("qemu-img", "convert", "-O", "raw", image, raw)
    with raw.open("r+b") as file:
        file.seek(-(64 << 10), os.SEEK_END)
        file.write(os.urandom(64 << 10))  # fills its grain: qemu-img adds no zeros
    for disk, form in ((image, "qcow2"), (raw, "raw")):
        stream_optimized.convert(disk, form, vmdk, adapter="lsilogic", log=tmp_path / "log")
        last, end = vmdk.read_bytes()[-1024:-512], vmdk.read_bytes()[-512:]
        assert last.strip(b"\0")
        assert not end.strip(b"\0")


# What a check refuses

OTHER = "qemu-img convert -f raw other.raw $file -O"
PACKED = "mv other.raw disk.raw; truncate -s 1G disk.raw; tar -Szcf $file disk.raw"
FAULTS: list[tuple[Format, str, str]] = [
    (Raw(), f"{OTHER} qcow2", "does not begin with a partition table"),
    (Raw(), "echo >>$file", "whole sector"),
    (Vmdk(), f"{OTHER} vmdk -o adapter_type=lsilogic", "is monolithicSparse, not"),
    (Vmdk(), f"{OTHER} vmdk -o subformat=streamOptimized", "not for a SCSI"),
    (Vmdk(), "truncate -s 1K $file", "is damaged|not a vmdk"),
    (Vmdk(), "truncate -s -512 $file", "with the end marker"),
    (Vhd(), f"{OTHER} vpc -o force_size=on", "is of type 3, not fixed"),
    (Vhd(), f"{OTHER} vpc -o subformat=fixed", "not a whole number of MiB"),
    (
        Vhd(),
        f"truncate -s 19M other.raw; {OTHER} vpc -o subformat=fixed,force_size=on",
        "smaller than 20 MiB",
    ),
    (Vhd(), r"truncate -s -1 $file; printf '\1' >>$file", "checksum of its footer"),
    (Vhd(), "truncate -s -1M $file", "does not end with the footer"),
    (Vhd(), "mv $file disk; head -c 1M /dev/zero | cat - disk >$file", "and a footer"),
    (Gce(), f"{PACKED} --format=posix", "not of the old GNU format"),
    (Gce(), f"touch x; {PACKED} x --format=oldgnu", "holds disk.raw, x, not"),
    (Gce(), "mv other.raw disk.raw; tar -Szcf $file disk.raw --format=oldgnu", "number of GiB"),
    (Gce(), "truncate -s -512 $file", "not a whole tar file"),
]


@pytest.mark.parametrize(("kind", "plant", "message"), FAULTS)
def test_file_that_its_cloud_refuses_is_refused(
    kind: Format, plant: str, message: str, image: Path, exports: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(kind.file(exports, image), tmp_path))
    with (tmp_path / "other.raw").open("wb") as other:
        other.truncate(24 * MIB + 512)
    subprocess.run(["sh", "-ec", plant], cwd=tmp_path, env={**os.environ, "file": file}, check=True)
    with pytest.raises(ExportError, match=message):
        kind.unpack(file, tmp_path)


# When it is made


def test_only_outdated_exports_are_made(
    tmp_path: Path,
    export: Callable[[Path, str], set[str]],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = tmp_path / f"{NAME}.qcow2"
    small_disk.write(image)
    assert export(image, "vhd") == {VHD}
    assert export(image, "vhd box") == BOXES
    assert export(image, "vhd qcow2") == set()
    shown = capsys.readouterr().out
    assert "nothing to do" in shown
    assert "qcow2: that is the image itself" in shown
    small_disk.write(image, b"another release")
    assert export(image, "vhd box") == {VHD, *BOXES}
    assert_whole(folder, {VHD, *BOXES})


# What a failure leaves


def make_nothing(_: Vhd, source: Source, target: Path) -> None:
    logged(["qemu-img", "convert", "/no/such/image", str(target)], source.log)


def fill_the_disk(_kind: Vhd, _source: Source, target: Path) -> None:
    target.write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)


def make_of_other_content(kind: Vhd, source: Source, target: Path) -> None:
    other = source.work / "other.qcow2"
    small_disk.write(other, b"other")
    make_vhd(kind, Source(other, source.digest, source.work, source.log), target)


def make_during_a_bake(kind: Vhd, source: Source, target: Path) -> None:
    make_vhd(kind, source, target)
    with source.image.open("ab") as image:
        image.write(b"another release")


def terminate(_kind: Vhd, _source: Source, target: Path) -> None:
    target.write_bytes(b"half")
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL, "it would end the tests"
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (make_nothing, 1, "failed in: vhd: qemu-img ended with .*\n.*open '/no/such/image'"),
        (fill_the_disk, 1, "No space left on device"),
        (make_of_other_content, 1, f"{VHD}: its content differs from .*: Content mismatch"),
        (make_during_a_bake, 1, "was replaced during the export"),
        (terminate, 130, "interrupted in: vhd; exports that were finished before are whole"),
    ],
)
def test_failure_keeps_finished_exports(
    make: Callable[[Vhd, Source, Path], None],
    code: int,
    message: str,
    image: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Vhd, "make", make)
    monkeypatch.setenv("FORMATS", "raw vhd")
    assert command.main([str(shutil.copy(image, tmp_path))]) == code
    assert re.search(message, capsys.readouterr().err)
    assert_whole(folder, {RAW})
