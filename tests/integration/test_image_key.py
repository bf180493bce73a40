"""What makes a new image, and what does not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bake
import prepare
import pytest
from prepare import Plan
from project.examination import examine


@pytest.fixture
def plan(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A bake with copies of packer/, provision/ and a project."""
    for name in ("packer", "provision"):
        shutil.copytree(top / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(bake, name.upper(), tmp_path / name)
    code = tuple(tmp_path / "packer" / path.name for path in bake.CODE)
    monkeypatch.setattr(bake, "CODE", code)
    monkeypatch.setattr(prepare, "BUILD", tmp_path / "build")
    project = shutil.copytree(top / "tests" / "projects" / "long_poll", tmp_path / "project")
    examined = examine(project, {}, "3.13")
    return Plan(
        os="debian-13",
        var_file=tmp_path / "packer" / "os" / "debian-13.pkrvars.hcl",
        project=project,
        examined=examined,
        settings=examined.settings,
        base_image="",
        base_checksum="",
    )


def commented(plan: Plan, name: str) -> bool:
    """Whether a comment in the file `name` makes a new image."""
    before = bake._key(plan, "")
    file = plan.project.parent / name
    with file.open("a") as opened:
        opened.write("# a comment\n")
    return bake._key(plan, "") != before


@pytest.mark.parametrize(
    "name",
    [
        "packer/lock.sh",
        "packer/prerequisites.sh",
        "packer/names.py",
        "packer/inspection.py",
        "packer/os/debian-12.pkrvars.hcl",
    ],
)
def test_file_that_cannot_change_the_image_is_not_in_its_key(plan: Plan, name: str) -> None:
    assert not commented(plan, name)


@pytest.mark.parametrize(
    "name",
    [
        "packer/source.pkr.hcl",
        "packer/base/build.sh",
        "packer/os/debian-13.pkrvars.hcl",
        *(f"packer/{path.name}" for path in bake.CODE),
        "provision/lib.sh",
        "provision/files/usr/bin/laurel",
        "provision/project/find.py",
        "project/manage.py",
    ],
)
def test_file_that_can_change_the_image_is_in_its_key(plan: Plan, name: str) -> None:
    assert commented(plan, name)


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: replace(plan, os="debian-12"),
        lambda plan: replace(plan, settings={**plan.settings, "PAGE_PATH": "/a"}),
    ],
)
def test_settings_are_in_the_key(plan: Plan, change: Callable[[Plan], Plan]) -> None:
    before = bake._key(plan, "")
    assert bake._key(change(plan), "") != before
    assert bake._key(plan, "another base") != bake._key(plan, "")


def test_lock_of_the_requirements_is_in_the_key(plan: Plan) -> None:
    keys = {bake._key(plan, "")}
    lock = plan.layers(plan.base_disk.folder).lock
    lock.parent.mkdir(parents=True)
    for text in ("django==5.2\n", "django==5.2.1\n"):
        lock.write_text(text)
        keys.add(bake._key(plan, ""))
    assert len(keys) == 3
    (plan.project / "requirements.txt").write_text("channels\n")
    assert not plan.layers(plan.base_disk.folder).lock.exists(), "it is that of other requirements"
