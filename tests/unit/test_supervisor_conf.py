"""asgi.conf, as supervisor's own parser reads it."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import websocket
from laurel import templates
from laurel.settings import Settings
from machine.port import free_ports
from supervisor import datatypes, options

SITE_UID = 4711  # of the user `site`, whom only a machine has

Group = Any  # supervisor has no types


@pytest.fixture
def text(machine_files: Path, make_settings: Callable[..., Settings]) -> str:
    """asgi.conf as rendered for three processes."""
    template = (machine_files / "etc/supervisor/conf.d/asgi.conf").read_text()
    return templates.render(template, make_settings(processes=3))


@pytest.fixture
def group(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    """The group that supervisord makes of asgi.conf, included as Debian's conf does."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "log").mkdir()
    # supervisor asks whether the folder of the logs is there.
    (tmp_path / "conf.d/asgi.conf").write_text(text.replace("/var/log/site", f"{tmp_path}/log"))
    (tmp_path / "supervisord.conf").write_text(
        f"[supervisord]\nlogfile={tmp_path}/log/supervisord.log\n"
        f"[include]\nfiles = {tmp_path}/conf.d/*.conf\n"
    )
    known = {"site": SITE_UID}
    monkeypatch.setattr(options, "name_to_uid", known.__getitem__)
    monkeypatch.setattr(datatypes, "name_to_uid", known.__getitem__)
    parsed = options.ServerOptions()
    parsed.realize(["-c", str(tmp_path / "supervisord.conf")])
    (found,) = parsed.process_group_configs
    return found


def test_the_group_hands_one_socket_on_127_0_0_1_to_every_process(group: Group) -> None:
    assert isinstance(group, options.FastCGIGroupConfig)
    assert group.name == "asgi"
    assert group.socket_config.url == "tcp://127.0.0.1:8000"
    assert all(isinstance(one, options.FastCGIProcessConfig) for one in group.process_configs)


def test_each_process_has_a_number_and_its_own_socket(group: Group) -> None:
    processes = group.process_configs
    assert [process.name for process in processes] == ["asgi0", "asgi1", "asgi2"]
    for number, process in enumerate(processes):
        words = process.command.split()
        assert words[:2] == ["/usr/lib/laurel/exec-site", "/srv/site/current/venv/bin/daphne"]
        assert words[words.index("-u") + 1] == templates.socket_path(number)
        assert words[words.index("--fd") + 1] == "0"
        assert words[-1] == "mysite.asgi:application"


def test_a_websocket_that_is_let_in_late_is_not_refused(group: Group, tmp_path: Path) -> None:
    """Waits for 7 s, longer than Daphne itself gives the site."""
    (tmp_path / "late.py").write_text(
        "import asyncio\n"
        "async def application(scope, receive, send):\n"
        "    await asyncio.sleep(7)\n"
        "    await send({'type': 'websocket.accept'})\n"
        "    await receive()\n"
    )
    words = group.process_configs[0].command.split()
    as_given = words[words.index("--proxy-headers") : -1]
    (port,) = free_ports(1)
    with subprocess.Popen(
        [sys.executable, "-m", "daphne", "-p", str(port), *as_given, "late:application"],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    ) as daphne:
        try:
            assert _opens(port)
        finally:
            daphne.kill()


def _opens(port: int) -> bool:
    """Whether a websocket opens, once the server is there: it may take a while to start."""
    deadline = time.monotonic() + 60
    while True:
        try:
            websocket.create_connection(f"ws://127.0.0.1:{port}/", timeout=60).close()
            return True
        except websocket.WebSocketBadStatusException:
            return False
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_the_processes_run_as_the_user_site(text: str, group: Group) -> None:
    assert "user=site" in text.splitlines()
    assert {process.uid for process in group.process_configs} == {SITE_UID}


def test_a_process_comes_back_for_as_long_as_the_machine_is_up(group: Group) -> None:
    for process in group.process_configs:
        assert process.autostart
        assert process.autorestart is datatypes.RestartUnconditionally
        assert process.startretries >= 1_000_000
        assert process.killasgroup


def test_logs_are_bounded_and_one_for_each_process(group: Group, tmp_path: Path) -> None:
    for number, process in enumerate(group.process_configs):
        assert process.stdout_logfile == str(tmp_path / "log" / f"asgi{number}.log")
        assert process.redirect_stderr
        assert 0 < process.stdout_logfile_maxbytes <= 10 << 20
        assert 0 < process.stdout_logfile_backups <= 3


def test_no_setting_passes_through_supervisor(text: str, group: Group) -> None:
    """A `%` in `environment=` would keep supervisord from starting."""
    assert not [line for line in text.splitlines() if line.startswith("environment")]
    assert all(not process.environment for process in group.process_configs)


def test_the_number_of_processes_is_that_of_the_settings(
    machine_files: Path, make_settings: Callable[..., Settings]
) -> None:
    template = (machine_files / "etc/supervisor/conf.d/asgi.conf").read_text()
    rendered = templates.render(template, make_settings(processes=7))
    assert "numprocs=7" in rendered.splitlines()
