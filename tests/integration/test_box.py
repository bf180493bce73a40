"""`make box`: the content of the boxes, and when they are made again."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import box
import pytest
import tar
import vagrant_box
from base_disk import BaseDisk

SIZE = 3072 << 20  # bytes; see packer/base/layout.sh
CATALOG = "laurel-debian-13.json"
FILES = {"laurel-debian-13-libvirt.box", "laurel-debian-13-virtualbox.box", CATALOG}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the boxes, in a path with a blank; their base system is nearly empty."""
    base = tmp_path / "base"
    (base / "root/var/lib").mkdir(parents=True)
    (base / "uuid").write_text("6f1c1f9e-6ad5-4f25-a7f7-0d3f4ad5c0de\n")
    (base / "boot.raw").touch()
    os.truncate(base / "boot.raw", SIZE)
    table = "label: gpt\nstart=66MiB\n"
    subprocess.run(["sfdisk", "--quiet", base / "boot.raw"], input=table, text=True, check=True)
    monkeypatch.setattr(box, "BUILD", tmp_path / "a project" / "build")
    monkeypatch.setattr(BaseDisk, "index", lambda _: "0123")
    monkeypatch.setattr(BaseDisk, "build", lambda *_: base)
    monkeypatch.delenv("OS", raising=False)
    return tmp_path / "a project" / "build" / "box"


def state(folder: Path) -> dict[str, tuple[int, int]]:
    files = (folder / name for name in FILES)
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def providers(folder: Path) -> dict[str, dict[str, Any]]:
    catalog = json.loads((folder / CATALOG).read_text())
    assert catalog["name"] == "laurel/debian-13"
    return {entry["name"]: entry for entry in catalog["versions"][0]["providers"]}


def assert_whole(folder: Path) -> None:
    """Each file has its checksum, and the catalog the boxes' own."""
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    for provider, entry in providers(folder).items():
        name = f"laurel-debian-13-{provider}.box"
        assert entry["checksum"] == manifest[name]["sha256"]
        assert entry["url"] == (folder / name).as_uri()


def test_each_box_has_its_disk_and_metadata(folder: Path, tmp_path: Path) -> None:
    assert box.main() == 0
    assert_whole(folder)
    unpacked = {provider: tmp_path / provider for provider in ("libvirt", "virtualbox")}
    for provider, files in unpacked.items():
        files.mkdir()
        tar.extract(folder / f"laurel-debian-13-{provider}.box", files)
        assert json.loads((files / "metadata.json").read_text())["provider"] == provider
    assert (unpacked["libvirt"] / "box.img").is_file()
    ovf = (unpacked["virtualbox"] / "box.ovf").read_text()
    assert "@" not in ovf.split("-->")[1]
    assert f'ovf:size="{(unpacked["virtualbox"] / "box.vmdk").stat().st_size}"' in ovf
    assert f'ovf:capacity="{SIZE}"' in ovf
    assert "base_mac" in (unpacked["virtualbox"] / "Vagrantfile").read_text()


def test_boxes_are_made_again_only_if_outdated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert box.main() == 0
    before = state(folder)
    assert box.main() == 0
    assert "nothing to do" in capsys.readouterr().out
    assert state(folder) == before
    monkeypatch.setattr(BaseDisk, "index", lambda _: "a newer archive")
    with monkeypatch.context() as patch:
        patch.setattr(vagrant_box, "SEED", "/there/is/no/such/folder")
        assert box.main() == 1
    assert "debugfs could not write /there/is/no/such/folder/user-data" in capsys.readouterr().err
    assert state(folder) == before
    assert box.main() == 0
    assert not set(state(folder).items()) & set(before.items())
    assert_whole(folder)
