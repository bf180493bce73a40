"""`make vagrant` passes the given settings on in vagrant/settings.env."""

import os
import shutil
import subprocess
from pathlib import Path


def test_only_given_settings_replace_the_developers_file(top: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a project"
    for folder in ("packer", "provision", "vagrant"):
        shutil.copytree(top / folder, copy / folder, ignore=shutil.ignore_patterns(".vagrant"))
    (copy / "build").mkdir()
    (copy / "build/venv").symlink_to((top / "build/venv").resolve())
    (copy / "bin").mkdir()
    for program in ("bin/vagrant", "bin/virsh", "packer/prerequisites.sh"):
        (copy / program).write_text('#!/bin/sh\necho "$0 $*"\n')
        (copy / program).chmod(0o755)
    settings = copy / "vagrant/settings.env"
    settings.unlink(missing_ok=True)

    def up(**environment: str) -> None:
        environment["PATH"] = f"{copy}/bin:{os.environ['PATH']}"
        shown = subprocess.check_output([copy / "vagrant/up.sh"], env=environment, text=True)
        assert "bin/vagrant up --provider=libvirt" in shown

    up(OS="debian-13")
    assert not settings.exists()
    settings.write_text("# mine\nDEVELOPMENT=yes\n")
    up(OS="debian-13")
    assert settings.read_text() == "# mine\nDEVELOPMENT=yes\n"
    up(OS="debian-13", APP="app", PROCESSES="2", SITE_HOSTS="a.example,b.example")
    assert sorted(settings.read_text().splitlines()) == [
        "PROCESSES=2",
        "SITE_HOSTS=a.example,b.example",
    ]
