"""The folder of finished images: whole or as before, and described truly."""

import json
import os
import subprocess
from pathlib import Path

import finished
import pytest
from images import Images

NAME = "laurel-debian-13-amd64.qcow2"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """What a bake leaves: a small disk."""
    path = tmp_path / "disk.qcow2"
    make_disk(path, "1M")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Images:
    """An empty folder of images."""
    return Images(tmp_path / "image")


def make_disk(path: Path, size: str) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, size], check=True)


def publish(folder: Images, disk: Path, name: str, **description: str) -> Path:
    return folder.publish(disk, name, lambda: dict(description), disk.with_name("log"))


def state(folder: Images) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.folder.iterdir()}


def test_an_image_is_published_with_its_description(folder: Images, disk: Path) -> None:
    image = publish(folder, disk, NAME, key="k1", kernel="6.12")
    assert image == folder.folder / NAME
    assert set(state(folder)) == {NAME, "manifest.json", "SHA256SUMS"}
    assert folder.description(NAME)["kernel"] == "6.12"
    subprocess.run(["qemu-img", "check", "-q", image], check=True)


def test_checksums_are_those_that_sha256sum_finds(folder: Images, disk: Path) -> None:
    publish(folder, disk, NAME, key="k1")
    publish(folder, disk, "other.qcow2", key="k2")
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=folder.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.splitlines() == [f"{NAME}: OK", "other.qcow2: OK"]
    manifest = json.loads((folder.folder / "manifest.json").read_text())
    lines = (folder.folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert {name: entry["sha256"] for name, entry in manifest.items()} == sums


def test_an_image_is_current_only_for_what_it_was_made_from(folder: Images, disk: Path) -> None:
    assert not folder.is_current(NAME, "k1")
    publish(folder, disk, NAME, key="k1")
    assert folder.is_current(NAME, "k1")
    assert not folder.is_current(NAME, "k2")
    assert not folder.is_current("other.qcow2", "k1")


def test_an_image_that_was_tampered_with_is_not_current(folder: Images, disk: Path) -> None:
    image = publish(folder, disk, NAME, key="k1")
    with image.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    assert not folder.is_current(NAME, "k1")


def test_an_image_that_is_gone_is_forgotten(folder: Images, disk: Path) -> None:
    publish(folder, disk, NAME, key="k1").unlink()
    assert not folder.is_current(NAME, "k1")
    assert folder.description(NAME) == {}
    publish(folder, disk, "other.qcow2", key="k2")
    assert NAME not in (folder.folder / "SHA256SUMS").read_text()


@pytest.mark.parametrize("half", ["", "half an image"], ids=["nothing", "half an image"])
def test_a_conversion_that_fails_leaves_everything_as_it_was(
    folder: Images, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    publish(folder, disk, NAME, key="k1")
    before = state(folder)
    broken = tmp_path / "bin" / "qemu-img"
    broken.parent.mkdir()
    broken.write_text(f'#!/bin/sh\nfor last; do :; done\nprintf "{half}" >"$last"\nexit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    with pytest.raises(Exception, match="qemu-img"):
        publish(folder, disk, NAME, key="k2")
    assert state(folder) == before
    assert folder.is_current(NAME, "k1")


def test_a_power_cut_between_image_and_manifest_makes_the_image_not_current(
    folder: Images, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, disk, NAME, key="k1")
    make_disk(disk, "2M")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(finished, "_write", cut)
        with pytest.raises(KeyboardInterrupt):
            publish(folder, disk, NAME, key="k2")
    assert not folder.is_current(NAME, "k1")
    assert not folder.is_current(NAME, "k2")
    publish(folder, disk, NAME, key="k2")
    assert folder.is_current(NAME, "k2")
