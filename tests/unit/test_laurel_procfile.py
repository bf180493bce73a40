"""Procfiles, as their authors write them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import procfile
from laurel.procfile import Entry
from laurel.settings import Settings

MakeSettings = Callable[..., Settings]


def test_procfile_entries_have_name_command_and_line(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text(
        "\ufeff# what runs\r\nweb: daphne a:b\r\n\r\n  beat-1: celery beat\r\n", newline=""
    )
    assert procfile.read(file) == (
        [Entry("web", "daphne a:b", 2), Entry("beat-1", "celery beat", 4)],
        [],
    )


def test_procfile_problems_name_their_line(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text("worker: one\nworker\nworker: two\nworker:\n")
    entries, problems = procfile.read(file)
    assert entries == [Entry("worker", "one", 1)]
    assert problems == [
        (2, "not `name: command`: worker"),
        (3, "line 1 has a process `worker` too: give one another name"),
        (4, "not `name: command`: worker:"),
    ]


def test_web_and_release_do_not_run_beside_the_site(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app/sub").mkdir(parents=True)
    (tmp_path / "app/sub/Procfile").write_text("web: x\nrelease: y\nworker: z\nbeat-1: w\n")
    monkeypatch.setattr(procfile, "CURRENT", tmp_path)
    settings = make_settings(PROCFILE="sub/Procfile")
    assert procfile.names(settings) == ["worker", "beat-1"]
    assert procfile.folder(settings) == f"{tmp_path}/app/sub"


def test_project_without_a_procfile_has_no_processes(make_settings: MakeSettings) -> None:
    assert procfile.names(make_settings()) == []
    assert procfile.folder(make_settings()) == "/srv/site/current/django"
