"""The command line `laurel`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from laurel import cli, release

VERBS = {
    *("status", "reload", "manage", "wait", "configure", "migrate", "watch", "describe"),
    *("check-layer", "check-port", "render", "start"),
}


def laurel(machine_files: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program itself, as it lies on a machine."""
    return subprocess.run(
        [sys.executable, "-B", machine_files / "usr/bin/laurel", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_verb(machine_files: Path) -> None:
    shown = laurel(machine_files, "--help")
    assert shown.returncode == 0
    listed = {line.split()[0] for line in shown.stdout.splitlines() if line.startswith("    ")}
    assert listed >= VERBS


def test_a_verb_that_is_unknown_is_refused(machine_files: Path) -> None:
    shown = laurel(machine_files, "levitate")
    assert shown.returncode == 2
    assert "levitate" in shown.stderr


@pytest.mark.parametrize("verb", sorted(VERBS - {"describe", "render"}))
def test_verbs_that_need_root_say_so(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main([verb]) == 1
    assert capsys.readouterr().err == (
        f"laurel: error: `laurel {verb}` needs root: run it with sudo\n"
    )


def test_anyone_may_see_what_the_machine_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(release, "RELEASE", tmp_path / "release.json")
    (tmp_path / "release.json").write_text("{}\n")
    assert cli.main(["describe"]) == 0
    assert capsys.readouterr().out == "{}\n"


def test_an_unchanged_description_keeps_the_time_of_its_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "release.json"
    monkeypatch.setattr(release, "RELEASE", path)
    made_of = {"release": "a"}
    monkeypatch.setattr(release, "describe", lambda: dict(made_of))
    release.write()
    text = path.read_text()
    assert '"built": ' in text
    path.write_text(text.replace('"built": "2', '"built": "1'))
    release.write()
    assert '"built": "1' in path.read_text()
    made_of["release"] = "b"
    release.write()
    assert '"built": "2' in path.read_text()
