"""An image is published whole, or the former one stays."""

import os
import subprocess
from pathlib import Path

import pytest
from images import Images
from run import CommandError

NAME = "laurel-debian-13-amd64.qcow2"


def publish(folder: Path, disk: Path, key: str) -> Path:
    return Images(folder).publish(disk, NAME, lambda: {"key": key}, disk.with_name("log"))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
    return path


def test_image_is_published_with_its_description(tmp_path: Path, disk: Path) -> None:
    image = publish(tmp_path / "my images", disk, "k1")
    subprocess.run(["qemu-img", "check", "-q", image], check=True)
    assert Images(image.parent).is_current(NAME, "k1")


def test_failed_conversion_keeps_the_former_image(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = publish(tmp_path / "image", disk, "k1")
    before = {path: path.read_bytes() for path in image.parent.iterdir()}
    broken = tmp_path / "bin" / "qemu-img"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\nfor last; do :; done\necho half >"$last"\nexit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    with pytest.raises(CommandError, match="qemu-img"):
        publish(tmp_path / "image", disk, "k2")
    assert {path: path.read_bytes() for path in image.parent.iterdir()} == before
