"""`make box`: what is in the boxes, and when they are made again."""

import json
import subprocess
from pathlib import Path
from typing import Any

import box
import pytest
import vagrant_box
from base_disk import BaseDisk
from unit import small_disk


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with a small base disk."""
    raw = tmp_path / "base.raw"
    small_disk.write(raw)
    folder = tmp_path / "base"
    folder.mkdir()
    small_disk.convert(raw, folder / "base.qcow2")
    return folder


@pytest.fixture
def folder(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the boxes go; the base disk is `base`, and the archive answers."""
    monkeypatch.setattr(box, "BUILD", tmp_path / "build")
    monkeypatch.setattr(BaseDisk, "index", lambda _: "0123")
    monkeypatch.setattr(BaseDisk, "build", lambda *_: base)
    monkeypatch.delenv("OS", raising=False)
    return tmp_path / "build" / "box"


def catalog(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "laurel-debian-13.json").read_text())
    return found


def unpacked(folder: Path, provider: str, target: Path) -> Path:
    target.mkdir()
    made = folder / f"laurel-debian-13-{provider}.box"
    subprocess.run(["tar", "-xf", made, "-C", target], check=True)
    return target


def test_a_libvirt_box_holds_a_disk_that_makes_vagrants_user(folder: Path, tmp_path: Path) -> None:
    assert box.main() == 0
    found = unpacked(folder, "libvirt", tmp_path / "libvirt")
    metadata = json.loads((found / "metadata.json").read_text())
    assert metadata == {"provider": "libvirt", "format": "qcow2", "virtual_size": 1}
    raw = tmp_path / "raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", found / "box.img", raw], check=True)
    shown = subprocess.run(
        ["debugfs", "-R", f"cat {vagrant_box.SEED}/user-data", f"{raw}?offset={small_disk.ROOT}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == (vagrant_box.FILES / "user-data").read_text()
    assert "name: vagrant" in shown.stdout


def test_a_virtualbox_box_says_what_is_in_it(folder: Path, tmp_path: Path) -> None:
    assert box.main() == 0
    found = unpacked(folder, "virtualbox", tmp_path / "virtualbox")
    assert json.loads((found / "metadata.json").read_text()) == {"provider": "virtualbox"}
    ovf = (found / "box.ovf").read_text()
    assert "@" not in ovf.split("-->")[1]
    assert f'ovf:size="{(found / "box.vmdk").stat().st_size}"' in ovf
    assert f'ovf:capacity="{small_disk.SIZE}"' in ovf
    assert "base_mac" in (found / "Vagrantfile").read_text()


def test_the_catalog_names_each_box_with_its_checksum(folder: Path) -> None:
    assert box.main() == 0
    known = catalog(folder)
    assert known["name"] == "laurel/debian-13"
    providers = known["versions"][0]["providers"]
    assert [provider["name"] for provider in providers] == ["libvirt", "virtualbox"]
    for provider in providers:
        path = Path(provider["url"].removeprefix("file://"))
        told = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        assert told.stdout.split()[0] == provider["checksum"]


def test_boxes_that_are_there_are_not_made_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert box.main() == 0
    before = catalog(folder)
    assert box.main() == 0
    assert "nothing to do" in capsys.readouterr().out
    assert catalog(folder) == before


def test_a_damaged_box_is_made_again(folder: Path) -> None:
    assert box.main() == 0
    damaged = folder / "laurel-debian-13-libvirt.box"
    damaged.write_bytes(b"")
    assert box.main() == 0
    assert damaged.stat().st_size > 0


def test_a_newer_archive_makes_other_boxes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert box.main() == 0
    before = catalog(folder)["description"]
    monkeypatch.setattr(BaseDisk, "index", lambda _: "4567")
    assert box.main() == 0
    assert catalog(folder)["description"] != before


def test_a_system_that_is_not_known_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OS", "plan-9")
    assert box.main() == 1
    assert capsys.readouterr().err == (
        "box: OS=plan-9 is not known; known: debian-12, debian-13, ubuntu-24.04\n"
    )
    assert not folder.exists()


def test_a_disk_that_takes_no_seed_touches_no_box(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert box.main() == 0
    before = catalog(folder)
    monkeypatch.setattr(BaseDisk, "index", lambda _: "4567")
    monkeypatch.setattr(vagrant_box, "SEED", "/there/is/no/such/folder")
    assert box.main() == 1
    assert "debugfs could not write /there/is/no/such/folder/user-data" in capsys.readouterr().err
    assert catalog(folder) == before
    assert not list(folder.glob(".*"))
