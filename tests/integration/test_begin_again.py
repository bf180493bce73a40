"""begin-again runs `cloud-init clean` after a first boot that was cut off, and only then."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

INSTANCES = "/var/lib/cloud/instances"


@pytest.fixture
def begin_again(machine_files: Path, tmp_path: Path) -> Callable[[], list[str]]:
    """Runs a copy of begin-again that reads instances from tmp_path; returns its output."""
    text = (machine_files / "usr/lib/laurel/begin-again").read_text()
    assert text.count(INSTANCES) == 1
    program, cloud_init = tmp_path / "begin-again", tmp_path / "cloud-init"
    program.write_text(text.replace(INSTANCES, f"{tmp_path}/instances"))
    cloud_init.write_text('#!/bin/sh\necho "cloud-init $*"\n')
    for file in (program, cloud_init):
        file.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return lambda: subprocess.run(
        [program], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()


def begin(folder: Path, *instances: str, complete: bool) -> None:
    for instance in instances:
        (folder / "instances" / instance / "sem").mkdir(parents=True)
        if complete:
            (folder / "instances" / instance / "laurel-complete").touch()


@pytest.mark.parametrize("complete", [[], ["i-one", "i-two"]], ids=["new disk", "later boots"])
def test_other_boots_are_left_alone(
    begin_again: Callable[[], list[str]], tmp_path: Path, complete: list[str]
) -> None:
    begin(tmp_path, *complete, complete=True)
    assert begin_again() == []


@pytest.mark.parametrize("before", [[], ["i-one"]], ids=["new disk", "disk of another instance"])
def test_cut_off_first_boot_begins_again(
    begin_again: Callable[[], list[str]], tmp_path: Path, before: list[str]
) -> None:
    begin(tmp_path, *before, complete=True)
    begin(tmp_path, "i-two", complete=False)
    assert begin_again() == [
        "laurel: the first boot as i-two was cut off: cloud-init starts it again",
        "cloud-init clean",
    ]
