"""`make vagrant` passes the given settings on in vagrant/settings.env."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def copy(top: Path, tmp_path: Path) -> Path:
    """A copy of the repository, in a path with a blank, whose `vagrant` starts no machine."""
    copy = tmp_path / "a project"
    for folder in ("packer", "provision", "vagrant"):
        shutil.copytree(top / folder, copy / folder, ignore=shutil.ignore_patterns(".vagrant"))
    (copy / "build").mkdir()
    (copy / "build/venv").symlink_to((top / "build/venv").resolve())
    (copy / "bin").mkdir()
    for program in ("bin/vagrant", "bin/virsh", "packer/prerequisites.sh"):
        (copy / program).write_text('#!/bin/sh\necho "$0 $*"\n')
        (copy / program).chmod(0o755)
    return copy


def up(copy: Path, **environment: str) -> None:
    path = f"{copy}/bin:{os.environ['PATH']}"
    shown = subprocess.run(
        [copy / "vagrant/up.sh"],
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bin/vagrant up --provider=libvirt" in shown.stdout


def test_only_given_settings_replace_the_developers_file(copy: Path) -> None:
    file = copy / "vagrant/settings.env"
    file.unlink(missing_ok=True)
    up(copy, OS="debian-13")
    assert not file.exists()
    file.write_text("# mine\nDEVELOPMENT=yes\n")
    up(copy, OS="debian-13")
    assert file.read_text() == "# mine\nDEVELOPMENT=yes\n"
    up(copy, OS="debian-13", APP="app", PROCESSES="2", SITE_HOSTS="a.example,b.example")
    settings = file.read_text().splitlines()
    assert sorted(settings) == ["PROCESSES=2", "SITE_HOSTS=a.example,b.example"]
