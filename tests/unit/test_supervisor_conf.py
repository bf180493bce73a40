"""The files for supervisor, as its own parser reads them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from laurel import procfile, templates
from laurel.settings import Settings
from supervisor import datatypes, options

SITE_UID = 4711  # of the user `site`, whom only a machine has

Group = Any  # supervisor has no types


@pytest.fixture
def groups(
    machine_files: Path,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., list[Group]]:
    """The groups that supervisord makes of a file for some settings, with three processes."""

    def parse(name: str, **values: Any) -> list[Group]:
        template = (machine_files / "etc/supervisor/conf.d" / name).read_text()
        text = templates.render(template, make_settings(**values))
        (tmp_path / "log").mkdir()  # supervisor asks whether it exists
        (tmp_path / "included.conf").write_text(text.replace("/var/log/site", f"{tmp_path}/log"))
        (tmp_path / "supervisord.conf").write_text(
            f"[supervisord]\nlogfile={tmp_path}/log/supervisord.log\n"
            f"[include]\nfiles = {tmp_path}/included.conf\n"
        )
        for module in (options, datatypes):
            monkeypatch.setattr(module, "name_to_uid", {"site": SITE_UID}.__getitem__)
        parsed = options.ServerOptions()
        parsed.realize(["-c", str(tmp_path / "supervisord.conf")])
        found: list[Group] = parsed.process_group_configs
        return found

    return parse


@pytest.mark.parametrize(
    ("name", "server"),
    [
        *(("asgi", server) for server in ("daphne", "uvicorn", "hypercorn", "granian")),
        ("wsgi", "gunicorn"),
    ],
)
def test_each_process_has_a_number_a_socket_and_a_bounded_log(
    groups: Callable[..., list[Group]], tmp_path: Path, name: str, server: str
) -> None:
    setting = "ASGI_SERVER" if name == "asgi" else "HTTP_SERVER"
    (group,) = groups(f"{name}.conf", BIND_PORT="8123", **{setting: server})
    assert group.name == name
    shares = server in ("daphne", "hypercorn")
    assert isinstance(group, options.FastCGIGroupConfig) is shares
    assert not shares or group.socket_config.url == "tcp://127.0.0.1:8123"
    assert len(group.process_configs) == 3
    for number, process in enumerate(group.process_configs):
        assert process.name == f"{name}{number}"
        words = process.command.split()
        assert words[:2] == ["/usr/lib/laurel/exec-site", f"/srv/site/current/venv/bin/{server}"]
        assert f"/run/daphne/{server}{number}.sock" in process.command
        assert not {"%", "{"} & set(process.command)
        assert (process.uid, process.directory) == (SITE_UID, "/srv/site/current/django")
        # A `%` in `environment=` would keep supervisord from starting.
        assert not process.environment
        # It comes back for as long as the machine runs.
        assert process.autostart
        assert process.autorestart is datatypes.RestartUnconditionally
        assert process.startretries >= 1_000_000
        assert process.killasgroup
        # A server gives open requests at most 5 s, and needs time to say so.
        assert process.stopwaitsecs == 10
        assert process.stdout_logfile == str(tmp_path / "log" / f"{name}{number}.log")
        assert process.redirect_stderr
        assert 0 < process.stdout_logfile_maxbytes <= 10 << 20
        assert 0 < process.stdout_logfile_backups <= 3


def test_site_with_one_server_has_no_second_program(groups: Callable[..., list[Group]]) -> None:
    assert groups("wsgi.conf") == []


def test_each_process_of_the_procfile_is_a_program(
    groups: Callable[..., list[Group]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "app" / "100%"
    folder.mkdir(parents=True)
    (folder / "Procfile").write_text("web: a\nworker: b\nbeat-1: c -l %(level)s\n")
    monkeypatch.setattr(procfile, "CURRENT", tmp_path)
    found = {
        group.name: group.process_configs[0]
        for group in groups("procfile.conf", PROCFILE="100%/Procfile", PROCFILE_STOP_SECONDS="120")
    }
    assert sorted(found) == ["beat-1", "worker"]
    for name, process in found.items():
        assert process.command == f"/usr/lib/laurel/exec-site /usr/lib/laurel/exec-process {name}"
        assert (process.uid, process.directory) == (SITE_UID, str(folder))
        assert process.stopasgroup
        assert process.stopwaitsecs == 120
        assert process.stdout_logfile == str(tmp_path / "log" / f"{name}.log")
