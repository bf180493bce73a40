"""The command line `laurel`, and what it describes."""

import errno
import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from laurel import cli, nginx, release


def test_verb_refuses_to_run_without_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err == (
        "laurel: error: `laurel status` needs root: run it with sudo\n"
    )


def test_full_disk_is_an_error_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(nginx, "hand_over", Mock(side_effect=full))
    assert cli.main(["upgraded"]) == 1
    assert capsys.readouterr().err == "laurel: error: [Errno 28] No space left on device\n"


def test_any_user_may_read_the_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(release, "RELEASE", tmp_path / "release.json")
    (tmp_path / "release.json").write_text("{}\n")
    assert cli.main(["describe"]) == 0
    assert capsys.readouterr().out == "{}\n"


def test_same_release_keeps_the_projects_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "RELEASE", tmp_path / "release.json")
    unknown: dict[str, Any] = {"release": "a", "project": {"revision": "", "dirty": True}}
    known: dict[str, Any] = {"release": "a", "project": {"revision": "1234", "dirty": False}}

    def written(description: dict[str, Any]) -> Any:
        monkeypatch.setattr(release, "describe", lambda: dict(description))
        release.write()
        return json.loads(release.RELEASE.read_text())["project"]

    monkeypatch.setenv("PROJECT_REVISION", "1234")
    assert written(known) == known["project"]
    monkeypatch.delenv("PROJECT_REVISION")
    assert written(unknown) == known["project"]
    assert written({**unknown, "release": "b"}) == unknown["project"]


def test_unchanged_description_keeps_its_build_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "release.json"
    monkeypatch.setattr(release, "RELEASE", path)
    description = {"release": "a", "project": {"revision": "", "dirty": True}}
    monkeypatch.setattr(release, "describe", lambda: dict(description))
    release.write()
    path.write_text(path.read_text().replace('"built": "2', '"built": "1'))
    release.write()
    assert '"built": "1' in path.read_text()
    description["release"] = "b"
    release.write()
    assert '"built": "2' in path.read_text()
