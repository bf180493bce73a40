"""The command line `laurel`, and what it describes."""

import os
from pathlib import Path

import pytest
from laurel import cli, release

ROOT_VERBS = [
    *("status", "reload", "manage", "settings", "wait", "configure", "migrate", "watch"),
    *("check-layer", "check-port", "start"),
]


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("    ")}
    assert listed >= {*ROOT_VERBS, "describe", "render", "server-packages"}


def test_unknown_verb_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["levitate"])
    assert ended.value.code == 2
    assert "levitate" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ROOT_VERBS)
def test_verb_refuses_to_run_without_root(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main([verb]) == 1
    assert capsys.readouterr().err == (
        f"laurel: error: `laurel {verb}` needs root: run it with sudo\n"
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
