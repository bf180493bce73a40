"""begin-again: a first boot whose power was cut is begun again, and no other boot is."""

import os
import subprocess
from pathlib import Path

import pytest


class Machine:
    """A copy of begin-again that looks into a folder of the test, and a cloud-init that tells."""

    def __init__(self, original: Path, folder: Path) -> None:
        self.folder = folder
        self.instances = folder / "instances"
        text = original.read_text()
        assert text.count("/var/lib/cloud/instances") == 1
        self.program = folder / "begin-again"
        self.program.write_text(text.replace("/var/lib/cloud/instances", str(self.instances)))
        self.program.chmod(0o755)
        (folder / "cloud-init").write_text('#!/bin/sh\necho "cloud-init $*"\n')
        (folder / "cloud-init").chmod(0o755)

    def has_begun(self, instance: str) -> None:
        (self.instances / instance / "sem").mkdir(parents=True)

    def has_ended(self, instance: str) -> None:
        self.has_begun(instance)
        (self.instances / instance / "laurel-complete").touch()

    def said(self) -> list[str]:
        return subprocess.run(
            [self.program],
            env={"PATH": f"{self.folder}:{os.environ['PATH']}"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()


@pytest.fixture
def machine(machine_files: Path, tmp_path: Path) -> Machine:
    return Machine(machine_files / "usr/lib/laurel/begin-again", tmp_path)


def test_a_first_boot_is_let_be(machine: Machine) -> None:
    assert machine.said() == []


def test_an_instance_whose_first_boot_has_ended_is_let_be(machine: Machine) -> None:
    machine.has_ended("i-one")
    machine.has_ended("i-two")
    assert machine.said() == []


@pytest.mark.parametrize("before", [[], ["i-one"]], ids=["new disk", "disk of another instance"])
def test_an_instance_that_was_cut_off_is_begun_again(machine: Machine, before: list[str]) -> None:
    for instance in before:
        machine.has_ended(instance)
    machine.has_begun("i-two")
    assert machine.said() == [
        "laurel: the first boot as i-two was cut off: cloud-init begins it again",
        "cloud-init clean",
    ]
