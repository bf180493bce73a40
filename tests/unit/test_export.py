"""`make export`: what is in each form, what its check refuses, and when it is made again."""

import errno
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import stream_optimized
import tar
import vagrant_box
from export import FORMATS, ExportError, Format, chosen
from export import __main__ as command
from export.format import GIB, MIB, Source, compare
from export.gce import Gce
from export.ova import Ova
from export.raw import Raw
from export.vhd import Vhd
from export.vmdk import Vmdk
from run import CommandError
from unit import small_disk

NAME = "laurel-debian-13-amd64"
FILES = {
    "raw": [f"{NAME}.raw"],
    "vmdk": [f"{NAME}.vmdk"],
    "vhd": [f"{NAME}.vhd"],
    "gce": [f"{NAME}.tar.gz"],
    "ova": [f"{NAME}.ova"],
    "box": [f"{NAME}-libvirt.box", f"{NAME}-virtualbox.box"],
}
ALL = sorted(name for names in FILES.values() for name in names)
LIBVIRT, VIRTUALBOX = FORMATS[-2:]


def run(*arguments: str | Path) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def write_image(folder: Path, content: bytes = b"", size: int = small_disk.SIZE) -> Path:
    """An image in `folder`; `content` lies in its last partition's free blocks."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / "raw"
    small_disk.write(raw)
    with raw.open("r+b") as file:
        file.truncate(size)
        file.seek(20 * MIB)
        file.write(content)
    image = folder / f"{NAME}.qcow2"
    small_disk.convert(raw, image)
    raw.unlink()
    return image


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def exports(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with every form of `image`; whoever changes a file takes a copy."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("build")
        patch.setattr(command, "BUILD", folder)
        patch.delenv("FORMATS", raising=False)
        assert command.main([str(image)]) == 0
        return folder / "export"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the exports of a test go, into the folder `export`."""
    monkeypatch.setattr(command, "BUILD", tmp_path / "build")
    return tmp_path / "build"


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, build: Path) -> Callable[[Path, str], set[str]]:
    """Export an image to formats, and return the names of the files that were made."""

    def made(image: Path, formats: str) -> set[str]:
        monkeypatch.setenv("FORMATS", formats)
        before = state(build / "export")
        assert command.main([str(image)]) == 0
        after = state(build / "export")
        return {name for name in after if after[name] != before.get(name) and name in ALL}

    return made


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Which file each name in `folder` is, and when it was written."""
    if not folder.is_dir():
        return {}
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


# What is made


def test_everything_is_made_with_checksums_and_nothing_else_is_left(exports: Path) -> None:
    assert sorted(state(exports)) == sorted([*ALL, "SHA256SUMS", "manifest.json"])
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=exports, check=True, capture_output=True
    )
    assert len(checked.stdout.splitlines()) == len(ALL)


@pytest.mark.parametrize(
    ("name", "kind"), [(NAME, "debian10_64Guest"), ("laurel-ubuntu-24.04-amd64", "ubuntu64Guest")]
)
def test_vmware_is_told_which_system_it_is(
    image: Path, export: Callable[[Path, str], set[str]], build: Path, name: str, kind: str
) -> None:
    export(Path(shutil.copy(image, build.parent / f"{name}.qcow2")), "ova")
    with tarfile.open(build / "export" / f"{name}.ova") as package:
        member = package.extractfile(f"{name}.ovf")
        assert member is not None
        assert f'vmw:osType="{kind}"' in member.read().decode()


def test_progress_is_shown(
    image: Path, export: Callable[[Path, str], set[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    export(image, "raw box")
    shown = capsys.readouterr().out
    for step in (
        r"1/5  \d:\d\d\] what is exported",
        r"2/5  \d:\d\d\] raw",
        r"4/5 .*\] box of virt",
    ):
        assert re.search(rf"^\[{step}", shown, re.MULTILINE), step
    assert re.search(r"^\[5/5 .*\] done: ", shown, re.MULTILINE)


@pytest.mark.parametrize("kind", FORMATS[:5], ids=lambda kind: kind.title)
def test_a_machine_finds_what_is_in_the_image(
    kind: Format, image: Path, exports: Path, tmp_path: Path
) -> None:
    file = kind.file(exports, image)
    kind.check(file)
    disk = kind.disk_of(file, tmp_path)
    said = run("qemu-img", "compare", "-f", disk.format, disk.path, image)
    assert "identical" in said


@pytest.mark.parametrize("kind", [LIBVIRT, VIRTUALBOX], ids=lambda kind: kind.title)
def test_a_box_differs_from_the_image_by_its_seed_alone(
    kind: Format, image: Path, exports: Path, tmp_path: Path
) -> None:
    disk = kind.disk_of(kind.file(exports, image), tmp_path)
    trees = {}
    for name, path in {"box": disk.path, "image": image}.items():
        raw, tree = tmp_path / f"{name}.raw", tmp_path / name
        run("qemu-img", "convert", "-O", "raw", path, raw)
        tree.mkdir()
        run("debugfs", "-R", f"rdump / {tree}", f"{raw}?offset={small_disk.ROOT}")
        trees[name] = {
            f"/{path.relative_to(tree)}": path.read_bytes() if path.is_file() else b""
            for path in tree.rglob("*")
        }
        with raw.open("rb") as file, (tmp_path / "root").open("wb") as root:
            file.seek(small_disk.ROOT)
            root.write(file.read(20 * MIB))
        run("e2fsck", "-fn", tmp_path / "root")
    seed = {path: trees["box"].pop(path) for path in set(trees["box"]) - set(trees["image"])}
    assert trees["box"] == trees["image"]
    assert {path for path, content in seed.items() if content} == {
        f"{vagrant_box.SEED}/user-data",
        f"{vagrant_box.SEED}/meta-data",
    }


def test_sizes_are_rounded_up_as_a_cloud_demands(
    export: Callable[[Path, str], set[str]], build: Path, tmp_path: Path
) -> None:
    odd = write_image(tmp_path / "odd", size=small_disk.SIZE + 512)
    export(odd, "raw vhd gce")
    sizes = {}
    for kind in (Raw(), Vhd(), Gce()):
        disk = kind.disk_of(kind.file(build / "export", odd), tmp_path)
        sizes[kind.name] = disk.size
    assert sizes == {"raw": odd_size(odd), "vhd": 25 * MIB, "gce": GIB}


def odd_size(image: Path) -> int:
    found: int = json.loads(run("qemu-img", "info", "--output=json", image))["virtual-size"]
    assert found == small_disk.SIZE + 512
    return found


def test_a_disk_takes_no_more_room_than_there_is_in_it(exports: Path, image: Path) -> None:
    for kind in (Raw(), Vhd()):
        assert kind.file(exports, image).stat().st_blocks * 512 < 4 * MIB
    assert Gce().file(exports, image).stat().st_size < MIB


def test_the_same_image_gives_the_same_files(
    image: Path, exports: Path, export: Callable[[Path, str], set[str]], build: Path
) -> None:
    time.sleep(1.1)  # a time in a file has seconds
    export(image, "")
    sums = [folder / "SHA256SUMS" for folder in (exports, build / "export")]
    assert sums[0].read_text() == sums[1].read_text()


def test_the_same_disk_is_the_same_vmdk_whatever_qemu_img_names_it(
    image: Path, tmp_path: Path
) -> None:
    # One in sixteen of its names has fewer digits than the others.
    found = set()
    for _ in range(40):
        vmdk = tmp_path / "disk.vmdk"
        stream_optimized.convert(image, "qcow2", vmdk, adapter="ide", log=tmp_path / "log")
        found.add(vmdk.read_bytes())
    (content,) = found
    assert re.search(rb"\nCID=[0-9a-f]{8}\nparentCID=ffffffff\n", content)


def test_a_vmdk_ends_where_vmware_ends_to_read_it(image: Path, tmp_path: Path) -> None:
    """Its checksum is else another than the manifest's, which is of the whole file."""
    raw, vmdk = tmp_path / "raw", tmp_path / "vmdk"
    run("qemu-img", "convert", "-O", "raw", image, raw)
    damage(raw, -(64 << 10), os.urandom(64 << 10))  # fills its grain: qemu-img adds no zeros
    for disk, form in ((image, "qcow2"), (raw, "raw")):
        stream_optimized.convert(disk, form, vmdk, adapter="lsilogic", log=tmp_path / "log")
        assert read_as_stream(vmdk) == (True, 0)


def test_a_vmdk_with_a_gap_is_cut_off_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vmdk = tmp_path / "vmdk"
    header = bytes(64) + struct.pack("<Q", 1)
    content = header.ljust(512, b"\0") + bytes(512) + b"a grain".ljust(512, b"\0")
    monkeypatch.setattr(stream_optimized, "logged", lambda *_: vmdk.write_bytes(content))
    with pytest.raises(CommandError, match=r"gap in .*, at byte 512"):
        stream_optimized.convert(vmdk, "raw", vmdk, adapter="ide", log=tmp_path / "log")


def read_as_stream(vmdk: Path) -> tuple[bool, int]:
    """Whether it has an end, and how many bytes follow that."""
    with vmdk.open("rb") as file:
        (overhead,) = struct.unpack("<Q", file.read(512)[64:72])
        file.seek(512 * overhead)
        while marker := file.read(512):
            (size,) = struct.unpack("<I", marker[8:12])  # bytes after the first 12
            if not size:
                return True, len(file.read())
            file.seek(-(-(12 + size) // 512) * 512 - 512, os.SEEK_CUR)
    return False, 0


# What a check refuses: each fault is planted in the file of `kind`, or is another file


def damage(file: Path, place: int, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(place, 2 if place < 0 else 0)
        opened.write(content)


def append(file: Path, content: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(content)


def converted(options: str, size: int = small_disk.SIZE) -> Callable[[Path], None]:
    """Another disk in place of the file, as qemu-img makes it with `options`."""

    def plant(file: Path) -> None:
        raw = file.with_suffix(".other")
        raw.touch()
        os.truncate(raw, size)
        run("qemu-img", "convert", "-f", "raw", *options.split(), raw, file)

    return plant


def archived(
    *options: str, names: tuple[str, ...] = ("disk.raw",), size: int = GIB
) -> Callable[[Path], None]:
    """Another tar file in place of the file."""

    def plant(file: Path) -> None:
        for name in names:
            (file.parent / name).touch()
            os.truncate(file.parent / name, size)
        run("tar", "-C", file.parent, *options, "-Szcf", file, *names)

    return plant


def repacked(change: Callable[[Path], list[str]]) -> Callable[[Path], None]:
    """The package with its files changed, and in the order that `change` gives."""

    def plant(file: Path) -> None:
        folder = file.parent / "unpacked"
        folder.mkdir()
        run("tar", "-C", folder, "-xf", file)
        names = change(folder)
        tar.write(file, {name: folder / name for name in names})

    return plant


OVF, MF, DISK = f"{NAME}.ovf", f"{NAME}.mf", f"{NAME}-disk1.vmdk"


def described(old: str, new: str) -> Callable[[Path], None]:
    """An OVA whose descriptor says `new` for `old`, with a manifest that is right."""

    def change(folder: Path) -> list[str]:
        text = (folder / OVF).read_text()
        assert old in text
        (folder / OVF).write_text(text.replace(old, new))
        sums = "".join(
            f"SHA256({name})= {run('sha256sum', folder / name).split()[0]}\n"
            for name in (OVF, DISK)
        )
        (folder / MF).write_text(sums)
        return [OVF, MF, DISK]

    return repacked(change)


def of_another_manifest(folder: Path) -> list[str]:
    text = (folder / MF).read_text()
    (folder / MF).write_text(text.replace("= ", "= 0", 1))
    return [OVF, MF, DISK]


def with_a_byte_more(folder: Path) -> list[str]:
    with (folder / DISK).open("ab") as disk:
        disk.write(b"\0")
    return [OVF, MF, DISK]


def of_metadata(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> list[str]:
        path = folder / "metadata.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
        return [path.name, *sorted(other.name for other in folder.iterdir() if other != path)]

    return repacked(change)


def without(name: str) -> Callable[[Path], None]:
    return repacked(
        lambda folder: sorted(path.name for path in folder.iterdir() if path.name != name)
    )


def no_archive(file: Path) -> None:
    file.write_bytes(bytes(4096))


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


FAULTS: list[tuple[Format, str, Callable[[Path], object], str]] = [
    (Raw(), "qcow2", lambda file: converted("-O qcow2")(file), "does not begin with a partition"),
    (Raw(), "no table", lambda file: damage(file, 512, b"EFI part"), "does not begin with a part"),
    (Raw(), "no boot", lambda file: damage(file, 510, b"\0"), "does not begin with a partition"),
    (Raw(), "a byte more", lambda file: damage(file, small_disk.SIZE, b"x"), "whole sector"),
    (Vmdk(), "sparse", converted("-O vmdk -o adapter_type=lsilogic"), "is monolithicSparse, not"),
    (Vmdk(), "ide", converted("-O vmdk -o subformat=streamOptimized"), "not for a SCSI"),
    (Vmdk(), "raw", no_archive, "is no vmdk"),
    (Vmdk(), "cut", cut, "is damaged|is no vmdk"),
    (Vmdk(), "a sector more", lambda file: append(file, bytes(512)), "does not end with the mark"),
    (
        Vmdk(),
        "no end",
        lambda file: os.truncate(file, file.stat().st_size - 512),
        "does not end with the mark",
    ),
    (Vhd(), "dynamic", converted("-O vpc -o force_size=on"), "is of type 3, not fixed"),
    (Vhd(), "cylinders", converted("-O vpc -o subformat=fixed"), "which is no whole MiB"),
    (
        Vhd(),
        "no MiB",
        converted("-O vpc -o subformat=fixed,force_size=on", small_disk.SIZE + 512),
        "which is no whole MiB",
    ),
    (
        Vhd(),
        "small",
        converted("-O vpc -o subformat=fixed,force_size=on", 19 * MIB),
        "smaller than 20 MiB",
    ),
    (Vhd(), "a bit", lambda file: damage(file, -1, b"\1"), "another checksum"),
    (Vhd(), "cut", cut, "does not end with the footer"),
    (Vhd(), "empty", lambda file: os.truncate(file, 0), "does not end with the footer"),
    (
        Vhd(),
        "a MiB more",
        lambda file: file.write_bytes(bytes(MIB) + file.read_bytes()),
        "and a footer",
    ),
    (Gce(), "posix", archived("--format=posix"), "not of GNU's old format"),
    (Gce(), "a name", archived("--format=oldgnu", names=("other.raw",)), "holds other.raw, not"),
    (Gce(), "two", archived("--format=oldgnu", names=("disk.raw", "x")), "holds disk.raw, x, not"),
    (Gce(), "no GiB", archived("--format=oldgnu", size=GIB + MIB), "which is no whole GiB"),
    (Gce(), "no tar", no_archive, "is no gzipped tar file"),
    (Gce(), "cut", cut, "is no gzipped tar file"),
    (Ova(), "order", repacked(lambda _: [MF, OVF, DISK]), "holds .mf .ovf .vmdk, not"),
    (Ova(), "no manifest", repacked(lambda _: [OVF, DISK]), "holds .ovf .vmdk, not"),
    (Ova(), "manifest", repacked(of_another_manifest), "its manifest has other checksums"),
    (Ova(), "disk", repacked(with_a_byte_more), "its manifest has other checksums"),
    (Ova(), "a name", described(f'href="{DISK}"', 'href="x.vmdk"'), "its descriptor names"),
    (Ova(), "a size", described('ovf:size="', 'ovf:size="1'), "its descriptor names"),
    (Ova(), "lsi", described("VirtualSCSI", "lsilogic"), "has no VirtualSCSI"),
    (Ova(), "e1000", described("VmxNet3", "E1000"), "has no VmxNet3"),
    (Ova(), "no xml", described("</Envelope>", ""), "is no OVA"),
    (Ova(), "capacity", described('capacity="', 'capacity="1'), "its descriptor tells of"),
    (Ova(), "no tar", no_archive, "is no OVA|holds"),
    (LIBVIRT, "provider", of_metadata(provider="virtualbox"), "is of virtualbox, not of libvirt"),
    (LIBVIRT, "size", of_metadata(virtual_size=2), "tells of another disk"),
    (LIBVIRT, "no disk", without("box.img"), "has no box.img"),
    (LIBVIRT, "no metadata", without("metadata.json"), "is no box"),
    (VIRTUALBOX, "no ovf", without("box.ovf"), "has no box.ovf"),
    (VIRTUALBOX, "no tar", no_archive, "is no box"),
]


@pytest.mark.parametrize(
    ("kind", "plant", "said"),
    [(kind, plant, said) for kind, _, plant, said in FAULTS],
    ids=[f"{kind.title}-{name}".replace(" ", "-") for kind, name, _, _ in FAULTS],
)
def test_a_file_that_its_cloud_would_not_take_is_refused(
    kind: Format,
    plant: Callable[[Path], None],
    said: str,
    image: Path,
    exports: Path,
    tmp_path: Path,
) -> None:
    file = kind.file(tmp_path, image)
    shutil.copy(kind.file(exports, image), file)
    unpacked = tmp_path / "disk"
    unpacked.mkdir()
    checked(kind, file, unpacked)
    plant(file)
    with pytest.raises(ExportError, match=said):
        checked(kind, file, unpacked)


def checked(kind: Format, file: Path, unpacked: Path) -> None:
    kind.check(file)
    kind.disk_of(file, unpacked)


def test_an_export_that_does_not_hold_the_image_is_no_export(
    image: Path,
    build: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = write_image(tmp_path / "other", b"other")
    make = Vhd.make

    def make_of_another(kind: Vhd, source: Source, target: Path) -> None:
        make(kind, Source(other, source.digest, source.work, source.log), target)

    monkeypatch.setattr(Vhd, "make", make_of_another)
    monkeypatch.setenv("FORMATS", "raw vhd")
    assert command.main([str(image)]) == 1
    told = capsys.readouterr().err
    assert f"{NAME}.vhd: does not hold what {image} does: Content mismatch" in told
    assert f"{NAME}.vhd" not in state(build / "export")
    assert f"{NAME}.raw" in state(build / "export")


def test_what_is_more_on_one_disk_must_be_zeros(image: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    run("qemu-img", "convert", "-O", "raw", image, raw)
    os.truncate(raw, 2 * small_disk.SIZE)
    source = Source(image, "", tmp_path, tmp_path / "log")
    disk = Raw().disk_of(raw, tmp_path)
    compare(disk, source.disk)
    damage(raw, -1, b"x")
    with pytest.raises(ExportError, match="does not hold"):
        compare(disk, source.disk)


# When it is made


def test_a_second_export_does_nothing(
    image: Path,
    export: Callable[[Path, str], set[str]],
    build: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert export(image, "") == set(ALL)
    before = state(build / "export")
    capsys.readouterr()
    assert export(image, "") == set()
    assert state(build / "export") == before
    assert "nothing to do" in capsys.readouterr().out


def test_only_what_is_asked_for_is_made_and_the_rest_later(
    image: Path, export: Callable[[Path, str], set[str]], build: Path
) -> None:
    assert export(image, "gce vhd") == {*FILES["gce"], *FILES["vhd"]}
    assert export(image, "vhd box") == set(FILES["box"])
    assert set(json.loads((build / "export/manifest.json").read_text())) == {
        *FILES["gce"],
        *FILES["vhd"],
        *FILES["box"],
    }


def test_another_image_makes_everything_anew(
    tmp_path: Path, export: Callable[[Path, str], set[str]]
) -> None:
    image = write_image(tmp_path / "image")
    assert export(image, "") == set(ALL)
    write_image(tmp_path / "image", b"another release")
    assert export(image, "") == set(ALL)


@pytest.mark.parametrize(
    ("changed", "made"),
    [
        ("vhd.py", FILES["vhd"]),
        ("ova.ovf", FILES["ova"]),
        ("vmdk.py", [*FILES["vmdk"], *FILES["ova"]]),
        ("stream_optimized.py", [*FILES["vmdk"], *FILES["ova"], *FILES["box"]]),
        ("tar.py", [*FILES["ova"], *FILES["box"]]),
        ("user-data", FILES["box"]),
        ("vagrant_box.py", FILES["box"]),
        ("format.py", ALL),
    ],
)
def test_the_code_of_a_format_makes_that_anew(
    changed: str, made: list[str], tmp_path: Path
) -> None:
    """By the keys alone: what a key says is made is another test's."""
    edited = tmp_path / "edited"
    edited.write_text("edited")
    before = {kind: kind.key("0" * 64) for kind in FORMATS}
    with pytest.MonkeyPatch.context() as patch:
        read = Path.read_bytes
        patch.setattr(
            Path, "read_bytes", lambda path: read(edited if path.name == changed else path)
        )
        after = {kind: kind.key("0" * 64) for kind in FORMATS}
    image = Path(f"{NAME}.qcow2")
    found = {kind.file(tmp_path, image).name for kind in FORMATS if after[kind] != before[kind]}
    assert found == set(made)


@pytest.mark.parametrize("name", [f"{NAME}.vhd", f"{NAME}-libvirt.box"])
def test_a_file_that_is_not_the_one_that_was_made_is_made_anew(
    image: Path, export: Callable[[Path, str], set[str]], build: Path, name: str
) -> None:
    export(image, "raw vhd box")
    damage(build / "export" / name, 100, b"stale")
    assert export(image, "raw vhd box") == {name}


def test_an_image_that_changes_meanwhile_is_not_exported(
    tmp_path: Path,
    build: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = write_image(tmp_path / "image")
    make = Raw.make

    def make_while_it_is_baked(kind: Raw, source: Source, target: Path) -> None:
        write_image(tmp_path / "image", b"another release")
        make(kind, source, target)

    monkeypatch.setattr(Raw, "make", make_while_it_is_baked)
    monkeypatch.setenv("FORMATS", "raw")
    assert command.main([str(image)]) == 1
    assert "has become another image meanwhile" in capsys.readouterr().err
    assert state(build / "export") == {}


# What it refuses, and what it leaves


def test_a_format_that_is_not_known_is_one_line_before_any_work(
    image: Path, build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORMATS", "raw vdi iso")
    assert command.main([str(image)]) == 1
    shown = capsys.readouterr()
    assert shown.err == (
        "export: FORMATS=vdi iso is not known; known: raw, vmdk, vhd, gce, ova, box, qcow2\n"
    )
    assert shown.out == ""
    assert not build.exists()


def test_the_image_itself_is_nothing_to_export(
    image: Path, export: Callable[[Path, str], set[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert chosen(["qcow2"]) == []
    assert export(image, "qcow2") == set()
    assert "qcow2: that is the image itself" in capsys.readouterr().out


def test_no_image_is_one_line_that_says_what_to_do(
    build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "no.qcow2"
    assert command.main([str(missing)]) == 1
    assert capsys.readouterr().err == (
        f"export: no image at {missing}: run `make image` first, or name one by IMAGE\n"
    )
    assert not build.exists()


def test_a_file_that_is_no_image_is_told_with_what_qemu_img_says(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / f"{NAME}.qcow2"
    image.write_bytes(bytes(4096))
    monkeypatch.setenv("FORMATS", "raw")
    assert command.main([str(image)]) == 1
    assert "Image is not in qcow2 format" in capsys.readouterr().err
    assert state(build / "export") == {}


def test_a_full_disk_is_told_and_leaves_nothing_half_made(
    image: Path, build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(target: Path, _members: object) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)

    monkeypatch.setattr(tar, "write", write)
    monkeypatch.setenv("FORMATS", "raw ova")
    assert command.main([str(image)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert set(state(build / "export")) == {*FILES["raw"], "SHA256SUMS", "manifest.json"}


PROGRAM = """
import resource, signal, sys
from pathlib import Path
# As in a terminal: a background process of a shell ignores it, and its children do.
signal.signal(signal.SIGINT, signal.default_int_handler)
from export import __main__ as command
command.BUILD = Path(sys.argv[1])
if limit := int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(command.main([sys.argv[2]]))
"""


def start(
    top: Path, build: Path, image: Path, formats: str, limit: int = 0
) -> "subprocess.Popen[str]":
    """Start an export as make does; no file of it may be larger than `limit` bytes."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, build, image, str(limit)],
        env={**os.environ, "PYTHONPATH": str(top / "packer"), "FORMATS": formats},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_command_that_can_not_write_leaves_nothing_half_made(
    top: Path, build: Path, image: Path
) -> None:
    process = start(top, build, image, "raw", limit=4 * MIB)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "failed in: raw" in told
    assert state(build / "export") == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_leaves_what_was_finished_and_nothing_half_made(
    top: Path,
    build: Path,
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    slow = tmp_path / "bin" / "tar"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\necho half >{tmp_path}/started\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    with start(top, build, image, "raw gce") as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert any(name.startswith(".") for name in state(build / "export"))
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "export: interrupted in: gce; what was finished before is whole" in told
    assert set(state(build / "export")) == {*FILES["raw"], "SHA256SUMS", "manifest.json"}
