"""The disk: bounded logs, and a warning when it is full."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from laurel import disk


@pytest.fixture
def rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The commands that are run; nginx's logs are in the folder of the test."""
    commands: list[object] = []
    monkeypatch.setattr(disk, "LOGS", tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    return commands


def test_log_that_grows_too_large_is_rotated(rotated: list[object], tmp_path: Path) -> None:
    space = disk.Space(lambda _: None)
    space.tend()
    (tmp_path / "nginx-access.log").touch()
    space.tend()
    assert rotated == []
    os.truncate(tmp_path / "nginx-access.log", disk.LARGEST_LOG + 1)
    space.tend()
    assert rotated == [["logrotate", disk.ROTATION]]


@pytest.mark.usefixtures("rotated")
def test_full_disk_is_reported_once_until_it_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    space = disk.Space(said.append)
    for free in (50, 2, 2, 50, 50):
        blocks = SimpleNamespace(f_blocks=100, f_bfree=free + 5, f_bavail=free, f_frsize=1 << 20)
        monkeypatch.setattr(os, "statvfs", lambda _, blocks=blocks: blocks)
        space.tend()
    full, room = said
    assert full.startswith("the disk is full (2 MiB free, 5 MiB more for Redis")
    assert room == "the disk has room again"


@pytest.mark.parametrize(
    ("reserved", "mounted", "expected"),
    [
        (0, "{device} ext4", ["tune2fs", "-m3", "{device}"]),
        (3, "{device} ext4", None),
        (0, "{device} xfs", None),
        (0, "overlay overlay", None),
    ],
)
def test_reserve_grows_with_the_disk(
    monkeypatch: pytest.MonkeyPatch, reserved: int, mounted: str, expected: list[str] | None
) -> None:
    device = "/dev/made-up"
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        ran.append(command)
        return SimpleNamespace(stdout=mounted.format(device=device))

    blocks = SimpleNamespace(f_blocks=100, f_bfree=50, f_bavail=50 - reserved)
    monkeypatch.setattr(os, "statvfs", lambda _: blocks)
    monkeypatch.setattr(Path, "is_block_device", lambda path: str(path) == device)
    monkeypatch.setattr(subprocess, "run", run)
    disk.keep_reserve()
    tuned = [command for command in ran if command[0] == "tune2fs"]
    assert tuned == ([[word.format(device=device) for word in expected]] if expected else [])
