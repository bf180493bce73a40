"""What makes a new image, and what does not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bake
import pytest
from prepare import Plan


@pytest.fixture
def plan(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A bake with copies of packer/, provision/ and a project."""
    for name in ("packer", "provision"):
        shutil.copytree(top / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(bake, name.upper(), tmp_path / name)
    code = tuple(tmp_path / "packer" / path.name for path in bake.CODE)
    monkeypatch.setattr(bake, "CODE", code)
    project = shutil.copytree(top / "tests" / "projects" / "long_poll", tmp_path / "project")
    return Plan(
        os="debian-13",
        var_file=tmp_path / "packer" / "os" / "debian-13.pkrvars.hcl",
        project=project,
        settings={"DJANGO_ROOT": ".", "REQUIREMENTS": "requirements.txt", "INCLUDE": ""},
        python_version="3.13",
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
        "provision/project/checks/services.py",
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
        "project/manage.py",
    ],
)
def test_file_that_can_change_the_image_is_in_its_key(plan: Plan, name: str) -> None:
    assert commented(plan, name)


def pipfile_lock(plan: Plan, version: str) -> Plan:
    (plan.project / "Pipfile.lock").write_text(
        f'{{"default": {{"django": {{"version": "=={version}", "hashes": []}}}}}}'
    )
    return replace(plan, settings={**plan.settings, "REQUIREMENTS": "Pipfile.lock"})


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: replace(plan, os="debian-12"),
        lambda plan: replace(plan, settings={**plan.settings, "PAGE_PATH": "/a"}),
        lambda plan: pipfile_lock(plan, "5.2"),
    ],
)
def test_settings_are_in_the_key(plan: Plan, change: Callable[[Plan], Plan]) -> None:
    before = bake._key(plan, "")
    assert bake._key(change(plan), "") != before
    assert bake._key(plan, "another base") != bake._key(plan, "")


def test_what_a_lock_is_converted_into_is_in_the_key(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = pipfile_lock(plan, "5.2")
    before = bake._key(locked, "")
    monkeypatch.setattr("inspection.dependencies.requirements", lambda _: "django==5.2.1\n")
    assert bake._key(locked, "") != before
