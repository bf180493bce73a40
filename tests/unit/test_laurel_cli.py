"""The command line `laurel`, and what it describes."""

import os
from pathlib import Path

import pytest
from laurel import cli, release


def test_verb_refuses_to_run_without_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err == (
        "laurel: error: `laurel status` needs root: run it with sudo\n"
    )


def test_any_user_may_read_the_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(release, "RELEASE", tmp_path / "release.json")
    (tmp_path / "release.json").write_text("{}\n")
    assert cli.main(["describe"]) == 0
    assert capsys.readouterr().out == "{}\n"


def test_unchanged_description_keeps_its_build_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "release.json"
    monkeypatch.setattr(release, "RELEASE", path)
    description = {"release": "a"}
    monkeypatch.setattr(release, "describe", lambda: dict(description))
    release.write()
    path.write_text(path.read_text().replace('"built": "2', '"built": "1'))
    release.write()
    assert '"built": "1' in path.read_text()
    description["release"] = "b"
    release.write()
    assert '"built": "2' in path.read_text()
