"""begin-again runs `cloud-init clean` after a first boot that was cut off, and only then."""

import os
import subprocess
from pathlib import Path

import pytest

INSTANCES = "/var/lib/cloud/instances"


@pytest.mark.parametrize(
    ("complete", "cut_off"),
    [([], []), (["i-one", "i-two"], []), ([], ["i-two"]), (["i-one"], ["i-two"])],
    ids=["new disk", "later boot", "cut off", "cut off on the disk of another instance"],
)
def test_only_a_cut_off_first_boot_begins_again(
    machine_files: Path, tmp_path: Path, complete: list[str], cut_off: list[str]
) -> None:
    text = (machine_files / "usr/lib/laurel/begin-again").read_text()
    assert text.count(INSTANCES) == 1
    program, cloud_init = tmp_path / "begin-again", tmp_path / "cloud-init"
    program.write_text(text.replace(INSTANCES, str(tmp_path / "instances")))
    cloud_init.write_text('#!/bin/sh\necho "cloud-init $*"\n')
    for file in (program, cloud_init):
        file.chmod(0o755)
    for instance in (*complete, *cut_off):
        (tmp_path / "instances" / instance).mkdir(parents=True)
    for instance in complete:
        (tmp_path / "instances" / instance / "laurel-complete").touch()
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    shown = subprocess.check_output([program], env=environment, text=True)
    assert shown.splitlines() == [
        line
        for instance in cut_off
        for line in (
            f"laurel: the first boot as {instance} was cut off: cloud-init starts it again",
            "cloud-init clean",
        )
    ]
