"""The site's processes, as a supervisord on a unix socket tells of them."""

import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import pytest
from laurel import supervisor
from laurel.errors import LaurelError
from laurel.settings import Settings
from unit.processes import process


class _Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)
    disable_nagle_algorithm = False  # there is none on a unix socket

    def log_message(self, format: str, *args: object) -> None:
        pass


class Supervisord(socketserver.UnixStreamServer, SimpleXMLRPCDispatcher):
    """Answers what `information` holds, and notes each other call."""

    logRequests = False  # noqa: N815 # its handler asks for this name

    def __init__(self, path: str) -> None:
        SimpleXMLRPCDispatcher.__init__(self)
        socketserver.UnixStreamServer.__init__(self, path, _Handler)
        self.information: list[dict[str, Any]] = []
        self.calls: list[tuple[str, ...]] = []
        self.unread: list[list[str]] = [[], [], []]  # groups added, changed, removed
        self.register_function(lambda: [self.unread], "supervisor.reloadConfig")
        self.register_function(lambda: self.information, "supervisor.getAllProcessInfo")
        for verb in ("stopProcess", "startProcess"):
            self.register_function(self._noting(verb), f"supervisor.{verb}")

    def _noting(self, verb: str) -> Any:
        def note(name: str, wait: bool) -> bool:
            self.calls.append((verb, name, str(wait)))
            return True

        return note

    def add(self, name: str, group: str = "asgi", pid: int = 4711, state: str = "RUNNING") -> None:
        self.information.append(
            {
                "name": name,
                "group": group,
                "pid": pid,
                "statename": state,
                "now": 1000,
                "start": 940,
                "spawnerr": "" if pid else "Exited too quickly",
            }
        )


@pytest.fixture
def supervisord(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisord]:
    """A stand-in that speaks XML-RPC as supervisord does."""
    path = str(tmp_path / "supervisor.sock")
    monkeypatch.setattr(supervisor, "SOCKET", path)
    with Supervisord(path) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


MakeSettings = Callable[..., Settings]


def test_processes_come_in_the_order_of_their_numbers(
    supervisord: Supervisord, make_settings: MakeSettings
) -> None:
    for name in ("asgi10", "asgi2", "asgi0"):
        supervisord.add(name)
    assert [one.number for one in supervisor.processes(make_settings())] == [0, 2, 10]


def test_processes_of_other_groups_are_left_out(
    supervisord: Supervisord, make_settings: MakeSettings
) -> None:
    supervisord.add("worker", group="worker")
    supervisord.add("asgi0")
    assert [one.name for one in supervisor.processes(make_settings())] == ["asgi:asgi0"]
    assert supervisor.others(make_settings()) == [("worker", "RUNNING")]
    assert supervisor.pids() == [4711, 4711]


def test_a_process_is_described(supervisord: Supervisord, make_settings: MakeSettings) -> None:
    supervisord.add("asgi0")
    supervisord.add("asgi1", pid=0, state="BACKOFF")
    assert supervisor.processes(make_settings()) == [
        process(0, pid=4711),
        process(1, pid=0, state="BACKOFF", uptime=0, problem="Exited too quickly"),
    ]


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian"])
def test_each_server_has_sockets_of_its_own_name(
    supervisord: Supervisord, make_settings: MakeSettings, server: str
) -> None:
    supervisord.add("asgi4")
    (found,) = supervisor.processes(make_settings(ASGI_SERVER=server))
    assert found.socket == f"/run/daphne/{server}4.sock"


def test_plain_http_has_a_group_of_its_own_that_comes_second(
    supervisord: Supervisord, make_settings: MakeSettings
) -> None:
    for name in ("wsgi1", "wsgi0", "asgi1", "asgi0"):
        supervisord.add(name, group=name[:4])
    assert supervisor.processes(make_settings(HTTP_SERVER="gunicorn")) == [
        process(number, group, pid=4711) for group in ("asgi", "wsgi") for number in (0, 1)
    ]
    # As long as supervisord has not taken up that there is none any more.
    assert {one.group for one in supervisor.processes(make_settings())} == {"asgi"}
    assert supervisor.others(make_settings()) == []


def test_a_restart_waits_for_the_end_and_not_for_the_start(supervisord: Supervisord) -> None:
    supervisor.restart(process(3))
    supervisor.restart(process(1, "wsgi"))
    assert supervisord.calls == [
        ("stopProcess", "asgi:asgi3", "True"),
        ("startProcess", "asgi:asgi3", "False"),
        ("stopProcess", "wsgi:wsgi1", "True"),
        ("startProcess", "wsgi:wsgi1", "False"),
    ]


def test_a_process_that_does_not_run_is_only_started(supervisord: Supervisord) -> None:
    supervisor.restart(process(3, pid=0, state="FATAL"))
    assert supervisord.calls == [("startProcess", "asgi:asgi3", "False")]


@pytest.mark.parametrize(
    ("unread", "wanted"),
    [
        ([[], [], []], False),
        ([["wsgi"], [], []], True),
        ([[], ["asgi"], []], True),
        ([[], [], ["wsgi"]], True),
        ([["worker"], ["procfile"], ["beat"]], False),  # beside the site's own
    ],
)
def test_all_restart_at_once_where_files_say_other_than_what_supervisord_runs(
    supervisord: Supervisord,
    make_settings: MakeSettings,
    unread: list[list[str]],
    wanted: bool,
) -> None:
    supervisord.unread = unread
    # Whoever changed them: a reload before this one may have.
    for changed in ([], [supervisor.CONF / "asgi.conf"]):
        assert supervisor.must_restart(make_settings(), changed) is wanted


@pytest.fixture
def supervisorctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in writes its verbs; it fails at the one that $REFUSED names."""
    program, called = tmp_path / "supervisorctl", tmp_path / "called"
    program.write_text(
        f"#!/bin/bash\necho $1 >>{called}\n"
        '[[ $1 != "$REFUSED" ]] || { echo "ERROR: CANT_REREAD: $1 of asgi.conf"; exit 2; }\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("REFUSED", "none")
    return called


def test_a_group_that_supervisord_leaves_alone_is_renewed_with_the_others(
    supervisord: Supervisord,
    supervisorctl: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(HTTP_SERVER="gunicorn")
    supervisord.add("asgi0", pid=100)
    supervisord.add("asgi1", pid=0, state="BACKOFF")
    taken_up = supervisor.update_others

    def update_others(settings: Settings) -> None:
        taken_up(settings)
        supervisord.add("wsgi0", group="wsgi", pid=200)

    monkeypatch.setattr(supervisor, "update_others", update_others)
    supervisor.update(settings)
    assert supervisorctl.read_text() == "reread\nupdate\n"
    assert supervisord.calls == [
        ("stopProcess", "asgi:asgi0", "True"),
        ("startProcess", "asgi:asgi0", "False"),
    ]


def test_the_site_s_own_are_let_be_where_a_program_beside_them_has_changed(
    supervisord: Supervisord, supervisorctl: Path, make_settings: MakeSettings
) -> None:
    supervisord.add("asgi0")
    supervisor.update_others(make_settings())
    assert supervisorctl.read_text() == "reread\nupdate\n"
    assert supervisord.calls == []


@pytest.mark.usefixtures("supervisord", "supervisorctl")
@pytest.mark.parametrize("take_up", [supervisor.update, supervisor.update_others])
def test_what_supervisorctl_refuses_is_told(
    monkeypatch: pytest.MonkeyPatch,
    make_settings: MakeSettings,
    take_up: Callable[[Settings], None],
) -> None:
    for verb in ("reread", "update"):
        monkeypatch.setenv("REFUSED", verb)
        with pytest.raises(LaurelError, match=f"^supervisorctl {verb}: ERROR: CANT_REREAD: {verb}"):
            take_up(make_settings())


def test_a_fault_of_supervisord_is_told(supervisord: Supervisord) -> None:
    del supervisord.funcs["supervisor.startProcess"]
    with pytest.raises(LaurelError, match=r"startProcess.*asgi:asgi0"):
        supervisor.restart(process(0, pid=0, state="FATAL"))


def test_a_supervisord_that_is_gone_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: MakeSettings
) -> None:
    monkeypatch.setattr(supervisor, "SOCKET", str(tmp_path / "supervisor.sock"))
    with pytest.raises(LaurelError, match="systemctl status supervisor"):
        supervisor.processes(make_settings())


def test_the_log_of_a_process_is_named(machine_files: Path) -> None:
    for group in ("asgi", "wsgi"):
        conf = (machine_files / f"etc/supervisor/conf.d/{group}.conf").read_text()
        assert f"stdout_logfile={supervisor.log(f'{group}:{group}%(process_num)d')}\n" in conf
    assert supervisor.log("worker") == "/var/log/site/worker.log"
