"""The Procfile's processes, as supervisor and nginx get what the project brings."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import procfile, templates
from laurel.settings import Settings
from supervisor import datatypes, options

MakeSettings = Callable[..., Settings]

PROCFILE = """\
# what runs
web: daphne -p $PORT mysite.asgi:application
release: python manage.py migrate
worker: python manage.py runworker thumbs 2>&1
beat-1: celery -A mysite beat -l "%(level)s"
"""


@pytest.fixture
def settings(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Those of a machine whose project has a Procfile."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Procfile").write_text(PROCFILE)
    monkeypatch.setattr(procfile, "CURRENT", tmp_path)
    return make_settings(PROCFILE="Procfile")


def test_every_process_but_web_and_release_is_supervised(settings: Settings) -> None:
    assert procfile.names(settings) == ["worker", "beat-1"]


def test_a_procfile_of_windows_names_the_same_processes(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "app" / "Procfile"
    file.write_text("\ufeffbeat: celery beat\r\n  worker: celery worker\r\n", newline="")
    assert procfile.names(settings) == ["beat", "worker"]


def test_a_project_without_a_procfile_has_none(make_settings: MakeSettings) -> None:
    assert procfile.names(make_settings()) == []
    assert procfile.folder(make_settings()) == "/srv/site/current/django"


def test_supervisor_reads_what_is_rendered(
    settings: Settings, machine_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = (machine_files / "etc/supervisor/conf.d/procfile.conf").read_text()
    text = templates.render(template, settings).replace("/var/log/site", str(tmp_path))
    conf = tmp_path / "supervisord.conf"
    conf.write_text(f"[supervisord]\nlogfile={tmp_path}/log\n{text}")
    for module in (options, datatypes):
        monkeypatch.setattr(module, "name_to_uid", {"site": 4711}.__getitem__)
    parsed = options.ServerOptions()
    parsed.realize(["-c", str(conf)])
    found = {group.name: group.process_configs[0] for group in parsed.process_group_configs}
    assert sorted(found) == ["beat-1", "worker"]
    assert found["worker"].uid == 4711
    assert found["worker"].directory == str(tmp_path / "app")
    assert found["worker"].stopasgroup


def test_the_shell_reads_the_command_of_a_process(machine_files: Path, tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text('other: false\nworker: echo "$0 | $((1 + 1))" && exit 7\n')
    program = machine_files / "usr/lib/laurel/exec-process"
    environment = {"LAUREL_PROCFILE": str(file), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [program, "worker"], env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (7, "bash | 2\n")
    missing = subprocess.run(
        [program, "beat"], env=environment, capture_output=True, text=True, check=False
    )
    assert missing.returncode == 1
    assert "has no process beat" in missing.stderr


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_command_of_a_procfile_of_windows_arrives_whole(
    machine_files: Path, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "Procfile"
    file.write_bytes(b"\xef\xbb\xbffirst: printf %s info\r\n  second: printf %s info\r\n")
    ran = subprocess.run(
        [machine_files / "usr/lib/laurel/exec-process", name],
        env={"LAUREL_PROCFILE": str(file), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, b"info"), ran.stderr


def test_uploads_are_served_only_where_the_project_has_them(
    make_settings: MakeSettings, machine_files: Path
) -> None:
    template = (machine_files / "etc/nginx/sites-available/site.conf").read_text()
    assert "/var/lib/site/media" not in templates.render(template, make_settings())
    served = templates.render(template, make_settings(MEDIA_URL="/files/"))
    assert "    location /files/ {\n        alias /var/lib/site/media/;\n" in served


def test_static_files_are_served_where_the_project_has_them(
    make_settings: MakeSettings, machine_files: Path
) -> None:
    template = (machine_files / "etc/nginx/sites-available/site.conf").read_text()
    assert "    location /assets/ {\n        try_files $uri =404;" in templates.render(
        template, make_settings(STATIC_URL="/assets/")
    )
