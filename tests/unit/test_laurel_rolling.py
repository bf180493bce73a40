"""`laurel reload`: the order in which processes are renewed."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Set
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from laurel import health, nginx, port, redis, rolling, site, supervisor
from laurel.errors import LaurelError
from laurel.process import Process, sockets
from laurel.settings import Settings
from machine.port import free_ports
from unit.processes import process


class Machine:
    """Notes what is done to a machine's processes, in order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.changed: list[Path] = []
        self.done: list[str] = []
        self.dead: set[str] = set()
        self.failing: set[str] = set()
        self.open: dict[str, list[int]] = {}
        self.pids = [os.getpid()]
        self.outdated = False
        self.unread: set[str] = set()
        self.configured = 0

    def processes(self, settings: Settings) -> list[Process]:
        groups = ("asgi",) if settings.get("HTTP_SERVER") == "same" else ("asgi", "wsgi")
        return [
            process(number, group, os.getpid())
            for group in groups
            for number in range(settings.processes)
        ]

    def fails_to_start(self, process: Process) -> bool:
        return process.name in self.failing

    def drain(self, _settings: Settings, drained: Set[str]) -> None:
        self.done.append(f"drain {' '.join(sorted(map(_short, drained)))}".rstrip())

    def restart(self, process: Process) -> None:
        self.done.append(f"restart {process.name.partition(':')[2]}")

    def restart_others(self, _: Settings) -> None:
        self.done.append("restart others")

    def configure(self) -> tuple[Settings, list[Path]]:
        changed, self.changed = self.changed, []
        self.unread |= {path.stem for path in changed if path.parent == supervisor.CONF}
        self.configured += 1
        return self.settings, changed

    def call(self, method: str) -> list[list[list[str]]]:
        """What supervisord answers: which groups its files have otherwise than it runs them."""
        assert method == "reloadConfig"
        return [[[], sorted(self.unread), []]]

    def update(self, settings: Settings) -> None:
        assert settings is self.settings
        self.unread = set()
        self.done.append("supervisor update")

    def update_others(self, settings: Settings) -> None:
        assert settings is self.settings
        self.done.append("supervisor update of others")

    def probe(self, path: str, _target: str) -> str:
        self.done.append(f"probe {_short(path)}")
        return "/healthz: refused" if _short(path) in self.dead else ""

    def connections(self, path: str) -> int:
        counts = self.open.get(path, [])
        return counts.pop(0) if counts else 0


def _short(path: str) -> str:
    """The process behind the socket `path`: asgi1, wsgi0."""
    name = path.removeprefix("/run/daphne/").removesuffix(".sock")
    return name.replace("daphne", "asgi").replace("gunicorn", "wsgi")


@pytest.fixture
def make(make_settings: Callable[..., Settings]) -> Callable[..., Settings]:
    """Makes the settings of a machine whose shared socket is free on this host."""
    (number,) = free_ports(1)
    return partial(make_settings, BIND_PORT=str(number))


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Settings]
) -> Machine:
    """A machine with three processes that all come back."""
    machine = Machine(make(3, DRAIN_SECONDS="0.3"))
    monkeypatch.setattr(rolling, "LOCK", tmp_path / "run" / "reload.lock")
    monkeypatch.setattr(rolling, "UNFINISHED", tmp_path / "run" / "reload.unfinished")
    monkeypatch.setattr(rolling, "START_LIMIT", 0.3)
    monkeypatch.setattr("laurel.settings.load", lambda: machine.settings)
    monkeypatch.setattr(rolling, "configure", machine.configure)
    monkeypatch.setattr(redis, "start", lambda: machine.done.append("redis start"))
    monkeypatch.setattr(redis, "stop", lambda: machine.done.append("redis stop"))
    monkeypatch.setattr(site, "outdated", lambda: machine.outdated)
    monkeypatch.setattr(site, "migrate", lambda _settings, _say: machine.done.append("migrate"))
    monkeypatch.setattr(nginx, "drain", machine.drain)
    monkeypatch.setattr(nginx, "reload", lambda: machine.done.append("nginx reload"))
    monkeypatch.setattr(supervisor, "processes", machine.processes)
    monkeypatch.setattr(supervisor, "pids", lambda: machine.pids)
    monkeypatch.setattr(supervisor, "restart", machine.restart)
    monkeypatch.setattr(supervisor, "fails_to_start", machine.fails_to_start)
    monkeypatch.setattr(supervisor, "restart_others", machine.restart_others)
    monkeypatch.setattr(supervisor, "_call", machine.call)
    monkeypatch.setattr(supervisor, "update", machine.update)
    monkeypatch.setattr(supervisor, "update_others", machine.update_others)
    monkeypatch.setattr(health, "probe", machine.probe)
    monkeypatch.setattr(health, "connections", machine.connections)
    return machine


def nothing_said(_: str) -> None:
    pass


def test_each_process_is_drained_and_answers_before_the_next_one_goes(machine: Machine) -> None:
    said: list[str] = []
    rolling.reload(said.append)
    assert machine.done == [
        "redis start",
        *("drain asgi0", "restart asgi0", "probe asgi0"),
        *("drain asgi1", "restart asgi1", "probe asgi1"),
        *("drain asgi2", "restart asgi2", "probe asgi2"),
        "drain",
        *("restart others", "redis stop"),
    ]
    assert said == [f"asgi:asgi{number}: {number + 1} of 3" for number in range(3)]


def test_another_database_is_migrated_before_the_first_process_goes(machine: Machine) -> None:
    machine.outdated = True
    rolling.reload(nothing_said)
    assert machine.done[:3] == ["redis start", "migrate", "drain asgi0"]


def test_a_database_that_can_not_be_migrated_leaves_every_process_serving(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise LaurelError("the database was not migrated")

    machine.outdated = True
    monkeypatch.setattr(site, "migrate", fails)
    with pytest.raises(LaurelError, match="not migrated"):
        rolling.reload(nothing_said)
    assert machine.done == ["redis start"]
    assert rolling.outdated()


def test_a_process_that_does_not_come_back_ends_it_with_the_others_serving(
    machine: Machine,
) -> None:
    machine.dead = {"asgi1"}
    with pytest.raises(LaurelError) as caught:
        rolling.reload(nothing_said)
    assert "asgi:asgi1 does not answer" in str(caught.value)
    assert "/var/log/site/asgi1.log" in str(caught.value)
    assert "restart asgi2" not in machine.done
    assert machine.done[-1] == "probe asgi1"
    assert [one for one in machine.done if one.startswith("drain")][-1] == "drain asgi1"


def test_a_process_that_fails_to_start_is_not_waited_for_as_long_as_a_slow_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "START_LIMIT", 60.0)
    monkeypatch.setattr(rolling, "RETRIES", 0.2)
    machine.dead, machine.failing = {"asgi1"}, {"asgi:asgi1"}
    started = time.monotonic()
    with pytest.raises(LaurelError, match="asgi:asgi1 does not answer after 0 s"):
        rolling.reload(nothing_said)
    assert time.monotonic() - started < 10


def test_a_reload_that_did_not_end_is_taken_up_again_by_the_next_provisioning(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "CURRENT", Path.cwd().parent)
    assert not rolling.outdated()
    machine.dead = {"asgi1"}
    with pytest.raises(LaurelError):
        rolling.reload(nothing_said)
    # Whichever release they run now: nginx still gives one of them no requests.
    assert rolling.outdated()
    machine.dead = set()
    rolling.reload(nothing_said)
    assert not rolling.outdated()


def test_any_program_that_runs_another_release_makes_it_outdated(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "CURRENT", tmp_path / "current")
    (tmp_path / "current").symlink_to("releases/new")
    with ExitStack() as programs:

        def run_in(folder: Path) -> int:
            folder.mkdir(parents=True, exist_ok=True)
            program = programs.enter_context(subprocess.Popen(["sleep", "60"], cwd=folder))
            programs.callback(program.kill)
            return program.pid

        old = run_in(tmp_path / "releases" / "old" / "app")
        new = run_in(tmp_path / "releases" / "new" / "app")
        elsewhere = run_in(tmp_path)
        machine.pids = [new, elsewhere]
        assert not rolling.outdated()
        machine.pids = [new, old]
        assert rolling.outdated()


def test_a_lone_process_is_not_drained(machine: Machine, make: Callable[..., Settings]) -> None:
    machine.settings = make(1)
    rolling.reload(nothing_said)
    assert machine.done == [
        *("redis start", "restart asgi0", "probe asgi0", "drain"),
        *("restart others", "redis stop"),
    ]


def test_open_requests_are_waited_for(machine: Machine) -> None:
    machine.open = {"/run/daphne/daphne1.sock": [2, 1]}
    rolling.reload(nothing_said)
    assert machine.open == {"/run/daphne/daphne1.sock": []}
    assert "restart asgi1" in machine.done


def test_open_requests_are_not_waited_for_longer_than_the_setting_says(machine: Machine) -> None:
    machine.open = {"/run/daphne/daphne1.sock": [1] * 1000}
    rolling.reload(nothing_said)
    assert machine.open["/run/daphne/daphne1.sock"]
    assert "restart asgi1" in machine.done


def test_another_number_of_processes_restarts_the_group(machine: Machine) -> None:
    machine.changed = [supervisor.CONF / "asgi.conf", nginx.SITE]
    rolling.reload(nothing_said)
    assert machine.done == [
        "redis start",
        *("supervisor update", "nginx reload", "probe asgi0", "probe asgi1", "probe asgi2"),
        *("restart others", "redis stop"),
    ]


def test_a_changed_site_conf_is_taken_up_first(machine: Machine) -> None:
    machine.changed = [nginx.SITE]
    rolling.reload(nothing_said)
    assert machine.done[:2] == ["redis start", "nginx reload"]


def test_a_second_reload_at_the_same_time_is_refused(machine: Machine) -> None:
    refused: list[str] = []

    def reload_again(_: str) -> None:
        with pytest.raises(LaurelError) as caught:
            rolling.reload(nothing_said)
        refused.append(str(caught.value))

    rolling.reload(reload_again)
    assert refused == ["another `laurel reload` is at work: wait for it to end"] * 3
    rolling.reload(nothing_said)
    assert machine.done.count("restart asgi0") == 2


# What a reload asks for before it touches anything


def test_a_taken_port_leaves_every_process_serving(
    machine: Machine, make: Callable[..., Settings]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        number = held.getsockname()[1]
        machine.settings = make(3, BIND_PORT=str(number))
        with pytest.raises(
            LaurelError, match=rf"127\.0\.0\.1:{number} is taken by .*{os.getpid()}"
        ):
            rolling.reload(nothing_said)
    assert (machine.done, machine.configured) == ([], 0)
    rolling.reload(nothing_said)  # whoever had it is gone
    assert machine.done[-1] == "redis stop"


def test_an_address_that_is_none_leaves_every_process_serving(
    machine: Machine, make: Callable[..., Settings]
) -> None:
    machine.settings = make(3, BIND_ADDRESS="192.0.2.1")  # RFC 5737: no machine has it
    with pytest.raises(LaurelError, match=r"192\.0\.2\.1:\d+ can't be had .*an address of this"):
        rolling.reload(nothing_said)
    assert (machine.done, machine.configured) == ([], 0)


@pytest.mark.parametrize(
    ("manager", "holder"), [("supervisor", "supervisord"), ("systemd", "systemd")]
)
def test_the_port_that_the_manager_holds_already_is_no_hindrance(
    machine: Machine,
    make: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    manager: str,
    holder: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        number = held.getsockname()[1]
        monkeypatch.setattr(port, "holder", lambda _: f"daphne (pid 7), {holder} (pid 1)")
        before = make(3, BIND_PORT=str(number), PROCESS_MANAGER=manager)
        monkeypatch.setattr("laurel.settings.load", lambda: before)
        rolling.reload(nothing_said)
    assert machine.done[-1] == "redis stop"


def test_another_number_of_processes_than_the_settings_say_is_refused(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = machine.processes(machine.settings)
    monkeypatch.setattr(supervisor, "processes", lambda _: known[:2])
    with pytest.raises(LaurelError, match="supervisor has 2 processes and not 3"):
        rolling.reload(nothing_said)
    assert machine.done == ["redis start"]


# What a reload that did not end has left


def test_files_that_a_reload_wrote_before_its_migration_failed_are_taken_up_by_the_next(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise LaurelError("the database was not migrated")

    machine.outdated, machine.changed = True, [supervisor.CONF / "asgi.conf", nginx.SITE]
    with monkeypatch.context() as patch:
        patch.setattr(site, "migrate", fails)
        with pytest.raises(LaurelError, match="not migrated"):
            rolling.reload(nothing_said)
    assert machine.done == ["redis start"]
    rolling.reload(nothing_said)  # for which no file changes any more
    assert machine.done[1:] == [
        *("redis start", "migrate", "supervisor update", "nginx reload"),
        *("probe asgi0", "probe asgi1", "probe asgi2"),
        *("restart others", "redis stop"),
    ]


def test_files_that_were_not_taken_up_make_it_outdated(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "CURRENT", Path.cwd().parent)
    assert not rolling.outdated()
    machine.unread = {"wsgi"}
    assert rolling.outdated()


def test_another_procfile_touches_no_process_of_the_site(machine: Machine) -> None:
    machine.changed = [supervisor.PROCFILE]
    rolling.reload(nothing_said)
    assert machine.done[-3:] == ["supervisor update of others", "restart others", "redis stop"]
    assert "supervisor update" not in machine.done
    assert "restart asgi2" in machine.done


# A group of its own for plain HTTP


@pytest.fixture
def split(machine: Machine, make: Callable[..., Settings]) -> Machine:
    """The machine with two processes of each of two servers."""
    machine.settings = make(2, DRAIN_SECONDS="0.3", HTTP_SERVER="gunicorn")
    return machine


def test_one_process_of_both_servers_goes_after_the_other_gunicorn_first(split: Machine) -> None:
    """An open form is with gunicorn."""
    said: list[str] = []
    rolling.reload(said.append)
    assert split.done == [
        "redis start",
        *("drain wsgi0", "restart wsgi0", "probe wsgi0"),
        *("drain wsgi1", "restart wsgi1", "probe wsgi1"),
        *("drain asgi0", "restart asgi0", "probe asgi0"),
        *("drain asgi1", "restart asgi1", "probe asgi1"),
        "drain",
        *("restart others", "redis stop"),
    ]
    assert said == [
        *("wsgi:wsgi0: 1 of 4", "wsgi:wsgi1: 2 of 4"),
        *("asgi:asgi0: 3 of 4", "asgi:asgi1: 4 of 4"),
    ]


def test_one_process_of_each_server_has_no_other_to_take_its_requests(
    split: Machine, make: Callable[..., Settings]
) -> None:
    split.settings = make(1, HTTP_SERVER="gunicorn")
    rolling.reload(nothing_said)
    assert [one for one in split.done if one.startswith("drain")] == ["drain"]


def test_open_requests_of_gunicorn_are_waited_for(split: Machine) -> None:
    split.open = {"/run/daphne/gunicorn1.sock": [2, 1]}
    rolling.reload(nothing_said)
    assert split.open == {"/run/daphne/gunicorn1.sock": []}


def test_a_gunicorn_that_does_not_come_back_is_named_with_its_log(split: Machine) -> None:
    split.dead = {"wsgi0"}
    with pytest.raises(LaurelError, match=r"wsgi:wsgi0 does not answer.*/var/log/site/wsgi0\.log"):
        rolling.reload(nothing_said)
    assert split.done[-1] == "probe wsgi0"
    assert "restart wsgi1" not in split.done


def test_another_server_for_plain_http_restarts_both_groups(split: Machine) -> None:
    split.changed = [supervisor.CONF / "wsgi.conf", nginx.SITE]
    rolling.reload(nothing_said)
    assert split.done == [
        "redis start",
        *("supervisor update", "nginx reload"),
        *("probe asgi0", "probe asgi1", "probe wsgi0", "probe wsgi1"),
        *("restart others", "redis stop"),
    ]


def test_processes_that_supervisord_does_not_know_yet_are_not_taken_for_well(
    split: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling.wait(split.settings)
    known = split.processes(split.settings)
    assert [one.socket for one in known] == sockets(split.settings)
    monkeypatch.setattr(supervisor, "processes", lambda _: known[:2])
    with pytest.raises(LaurelError, match="supervisor has 2 processes and not 4: run `laurel rel"):
        rolling.wait(split.settings)
