"""asgi.conf and wsgi.conf, as supervisor's own parser reads them."""

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
def render(machine_files: Path, make_settings: Callable[..., Settings]) -> Callable[..., str]:
    """Renders asgi.conf or wsgi.conf, for three processes unless told otherwise."""

    def render(name: str = "asgi.conf", **values: Any) -> str:
        template = (machine_files / "etc/supervisor/conf.d" / name).read_text()
        return templates.render(template, make_settings(**values))

    return render


@pytest.fixture
def text(render: Callable[..., str]) -> str:
    """asgi.conf as rendered for three processes of Daphne."""
    return render()


@pytest.fixture
def parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Group]]:
    """The groups that supervisord makes of a file, included as Debian's conf does."""

    def parse(text: str) -> list[Group]:
        for name in ("conf.d", "log"):
            (tmp_path / name).mkdir(exist_ok=True)
        # supervisor asks whether the folder of the logs is there.
        (tmp_path / "conf.d/tried.conf").write_text(
            text.replace("/var/log/site", f"{tmp_path}/log")
        )
        (tmp_path / "supervisord.conf").write_text(
            f"[supervisord]\nlogfile={tmp_path}/log/supervisord.log\n"
            f"[include]\nfiles = {tmp_path}/conf.d/*.conf\n"
        )
        known = {"site": SITE_UID}
        monkeypatch.setattr(options, "name_to_uid", known.__getitem__)
        monkeypatch.setattr(datatypes, "name_to_uid", known.__getitem__)
        parsed = options.ServerOptions()
        parsed.realize(["-c", str(tmp_path / "supervisord.conf")])
        found: list[Group] = parsed.process_group_configs
        return found

    return parse


@pytest.fixture
def group(text: str, parse: Callable[[str], list[Group]]) -> Group:
    """The group that supervisord makes of asgi.conf."""
    (found,) = parse(text)
    return found


# Daphne, as in the guide


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
        assert words[words.index("-u") + 1] == f"/run/daphne/daphne{number}.sock"
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


# Any server


ANY = [("asgi", {"ASGI_SERVER": name}) for name in ("daphne", "uvicorn", "hypercorn", "granian")]
ANY += [("wsgi", {"HTTP_SERVER": "gunicorn"})]


@pytest.fixture(params=ANY, ids=lambda param: "-".join(param[1].values()))
def any_group(
    request: pytest.FixtureRequest,
    render: Callable[..., str],
    parse: Callable[[str], list[Group]],
) -> Group:
    """The group that supervisord makes of each server's file, in turn."""
    name, values = request.param
    (found,) = parse(render(f"{name}.conf", **values))
    assert found.name == name
    return found


def test_each_process_is_named_after_its_group_and_number(any_group: Group) -> None:
    names = [process.name for process in any_group.process_configs]
    assert names == [f"{any_group.name}{number}" for number in range(3)]


def test_the_processes_run_as_the_user_site(any_group: Group) -> None:
    assert {process.uid for process in any_group.process_configs} == {SITE_UID}


def test_a_process_comes_back_for_as_long_as_the_machine_is_up(any_group: Group) -> None:
    for process in any_group.process_configs:
        assert process.autostart
        assert process.autorestart is datatypes.RestartUnconditionally
        assert process.startretries >= 1_000_000
        assert process.killasgroup
        # As a server gives what is open, at most 5 s, and time to say so.
        assert process.stopwaitsecs == 10
        assert process.directory == "/srv/site/current/django"


def test_logs_are_bounded_and_one_for_each_process(any_group: Group, tmp_path: Path) -> None:
    for number, process in enumerate(any_group.process_configs):
        assert process.stdout_logfile == str(tmp_path / "log" / f"{any_group.name}{number}.log")
        assert process.redirect_stderr
        assert 0 < process.stdout_logfile_maxbytes <= 10 << 20
        assert 0 < process.stdout_logfile_backups <= 3


def test_no_setting_passes_through_supervisor(any_group: Group) -> None:
    """A `%` in `environment=` would keep supervisord from starting."""
    assert all(not process.environment for process in any_group.process_configs)


def test_each_process_is_started_through_exec_site(any_group: Group) -> None:
    for process in any_group.process_configs:
        words = process.command.split()
        assert words[0] == "/usr/lib/laurel/exec-site"
        assert words[1].startswith("/srv/site/current/venv/bin/")
        assert not [word for word in words if "@" in word or "%" in word]


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_a_server_that_shares_no_socket_is_a_plain_program(
    render: Callable[..., str], parse: Callable[[str], list[Group]], server: str
) -> None:
    rendered = render(ASGI_SERVER=server)
    assert "[program:asgi]" in rendered.splitlines()
    assert not [line for line in rendered.splitlines() if line.startswith("socket")]
    (found,) = parse(rendered)
    assert not isinstance(found, options.FastCGIGroupConfig)
    for number, process in enumerate(found.process_configs):
        assert type(process) is options.ProcessConfig
        words = process.command.split()
        assert words[1] == f"/srv/site/current/venv/bin/{server}"
        assert words[words.index("--uds") + 1] == f"/run/daphne/{server}{number}.sock"
        assert not {"--fd", "--bind", "-b"} & set(words)


def test_hypercorn_gets_the_shared_socket_beside_its_own(
    render: Callable[..., str], parse: Callable[[str], list[Group]]
) -> None:
    (found,) = parse(render(ASGI_SERVER="hypercorn"))
    assert isinstance(found, options.FastCGIGroupConfig)
    assert found.socket_config.url == "tcp://127.0.0.1:8000"
    for number, process in enumerate(found.process_configs):
        words = process.command.split()
        bound = [words[place + 1] for place, word in enumerate(words) if word == "--bind"]
        assert bound == [f"unix:/run/daphne/hypercorn{number}.sock", "fd://0"]


@pytest.mark.parametrize("server", ["daphne", "hypercorn"])
def test_the_shared_socket_is_where_the_settings_say(
    render: Callable[..., str], parse: Callable[[str], list[Group]], server: str
) -> None:
    (found,) = parse(render(ASGI_SERVER=server, BIND_ADDRESS="10.0.0.7", BIND_PORT="8123"))
    assert found.socket_config.url == "tcp://10.0.0.7:8123"


def test_gunicorn_has_a_program_and_sockets_of_its_own(
    render: Callable[..., str], parse: Callable[[str], list[Group]]
) -> None:
    (found,) = parse(render("wsgi.conf", HTTP_SERVER="gunicorn"))
    assert not isinstance(found, options.FastCGIGroupConfig)
    for number, process in enumerate(found.process_configs):
        words = process.command.split()
        assert words[1] == "/srv/site/current/venv/bin/gunicorn"
        assert words[words.index("--bind") + 1] == f"unix:/run/daphne/gunicorn{number}.sock"
        assert words[-1] == "laurel_gunicorn:application"


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_gunicorn_changes_nothing_of_the_asgi_server(
    render: Callable[..., str], server: str
) -> None:
    assert render(ASGI_SERVER=server, HTTP_SERVER="gunicorn") == render(ASGI_SERVER=server)


def test_where_one_server_does_it_all_there_is_no_second_program(
    render: Callable[..., str], parse: Callable[[str], list[Group]]
) -> None:
    rendered = render("wsgi.conf")
    assert [line for line in rendered.splitlines() if line and not line.startswith(";")] == []
    assert parse(rendered) == []


@pytest.mark.parametrize(("name", "values"), [("asgi.conf", {}), ("wsgi.conf", ANY[-1][1])])
def test_the_number_of_processes_is_that_of_the_settings(
    render: Callable[..., str], name: str, values: dict[str, str]
) -> None:
    assert "numprocs=7" in render(name, processes=7, **values).splitlines()
