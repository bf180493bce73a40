"""begin-again: a first boot whose power was cut is begun again, and no other boot is."""

import os
import subprocess
from pathlib import Path

import pytest


class Machine:
    """A copy of begin-again that looks into a folder of the test, and a cloud-init that tells."""

    def __init__(self, original: Path, folder: Path) -> None:
        self.folder = folder
        text = original.read_text()
        for place in ("/var/lib/cloud", "/etc/laurel"):
            (folder / place.lstrip("/")).mkdir(parents=True)
            text = text.replace(place, f"{folder}{place}")
        self.program = folder / "begin-again"
        self.program.write_text(text)
        self.program.chmod(0o755)
        (folder / "cloud-init").write_text('#!/bin/sh\necho "cloud-init $*"\n')
        (folder / "cloud-init").chmod(0o755)

    def holds(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def begun(self, instance: str) -> None:
        (self.folder / "var/lib/cloud/instances" / instance).mkdir(parents=True)
        self.holds("var/lib/cloud/data/instance-id", f"{instance}\n")

    def said(self) -> str:
        return subprocess.run(
            [self.program],
            env={"PATH": f"{self.folder}:{os.environ['PATH']}"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout


@pytest.fixture
def machine(machine_files: Path, tmp_path: Path) -> Machine:
    return Machine(machine_files / "usr/lib/laurel/begin-again", tmp_path)


def test_a_first_boot_is_let_be(machine: Machine) -> None:
    assert machine.said() == ""


def test_an_instance_that_was_configured_is_let_be(machine: Machine) -> None:
    machine.begun("i-one")
    machine.holds("etc/laurel/instance-id", "i-one\n")
    assert machine.said() == ""


@pytest.mark.parametrize("known", ["", "i-one\n"], ids=["first", "of another disk"])
def test_an_instance_that_was_cut_off_is_begun_again(machine: Machine, known: str) -> None:
    machine.begun("i-two")
    if known:
        machine.holds("etc/laurel/instance-id", known)
    assert machine.said().splitlines() == [
        "laurel: a first boot was cut off: cloud-init begins it again",
        "cloud-init clean",
    ]


@pytest.mark.parametrize("known", ["", "i-zero\n"])
def test_an_instance_whose_name_the_disk_does_not_hold_yet_is_begun_again(
    machine: Machine, known: str
) -> None:
    machine.begun("i-one")
    machine.holds("var/lib/cloud/data/instance-id", "")
    machine.holds("etc/laurel/instance-id", known)
    assert "cloud-init clean" in machine.said()
