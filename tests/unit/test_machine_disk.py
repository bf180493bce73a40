"""The disk of a machine, and the key of one that has its own user: nothing is started."""

import json
import subprocess
from pathlib import Path

import pytest
from machine import Machine, MachineError
from machine.disk import GIB, make_overlay

MIB = 1 << 20


@pytest.fixture
def vhd(tmp_path: Path) -> Path:
    """A fixed VHD of 20 MiB; its footer is all that tells it from a raw disk."""
    path = tmp_path / "disk.vhd"
    form = ("-f", "vpc", "-o", "subformat=fixed,force_size=on")
    subprocess.run(["qemu-img", "create", "-q", *form, path, str(20 * MIB)], check=True)
    return path


def seen(overlay: Path) -> tuple[str, int]:
    """The format of what an overlay lies on, and the size of the disk, in bytes."""
    told = subprocess.run(
        ["qemu-img", "info", "--output=json", overlay], check=True, capture_output=True
    )
    info = json.loads(told.stdout)
    return info["backing-filename-format"], info["virtual-size"]


def test_a_format_that_is_named_is_taken(vhd: Path, tmp_path: Path) -> None:
    make_overlay(vhd, tmp_path / "overlay", size_gib=None, image_format="vpc")
    assert seen(tmp_path / "overlay") == ("vpc", 20 * MIB)


def test_a_format_that_is_not_named_is_what_the_first_bytes_show(vhd: Path, tmp_path: Path) -> None:
    make_overlay(vhd, tmp_path / "overlay", size_gib=1)
    assert seen(tmp_path / "overlay") == ("raw", GIB)


def test_another_format_than_is_named_is_an_error(vhd: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="qcow2"):
        make_overlay(vhd, tmp_path / "overlay", size_gib=None, image_format="qcow2")


def test_a_machine_with_a_user_of_its_own_is_told_nothing(
    vhd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "vagrant"
    key.write_text("a private key\n")
    monkeypatch.setattr(Machine, "_power_on_with", lambda *_: None)
    with Machine(
        vhd,
        image_format="vpc",
        name="unit",
        accelerator="tcg",
        ssh_user="vagrant",
        key=key,
        workdir=tmp_path / "run",
    ) as machine:
        machine.start()
        assert {path.name for path in machine.folder.iterdir()} == {"disk.qcow2", "key"}
        assert (machine.folder / "key").read_text() == "a private key\n"
        assert (machine.folder / "key").stat().st_mode & 0o777 == 0o600
        assert seen(machine.folder / "disk.qcow2") == ("vpc", 20 * MIB)
