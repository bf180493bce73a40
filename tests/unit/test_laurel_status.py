"""`laurel status`: what it finds wrong."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from laurel import capacity, disk, health, nginx, port, redis, release, site, status
from laurel.errors import LaurelError
from laurel.settings import Settings
from unit.processes import FakeManager, process


class Machine:
    """What the rest of the machine says: everything is well, with one process."""

    def __init__(self, settings: Settings) -> None:
        self.manager = FakeManager(settings)
        services = (*status.SERVICES, self.manager.service, *status.BOOT_SERVICES)
        self.states = dict.fromkeys(services, "active")
        self.outdated = False
        self.holders = [("supervisord", "1")]
        self.drained: set[str] = set()
        self.hung: set[str] = set()
        self.refuses_websockets = False
        self.connections = 0
        self.redis: tuple[str, list[str]] = ("3 of 204 MiB, 0 writes rejected", [])
        self.full = ""

    def probe(self, socket: str, path: str, headers: object = None) -> str:
        if headers:
            return f"{path}: HTTP 500" if self.refuses_websockets else ""
        return f"{path}: hangs" if socket in self.hung else ""

    def set(self, **values: str) -> None:
        self.manager.settings.values.update(values)

    def report(self) -> tuple[list[str], list[str]]:
        return status.report(self.manager.settings)

    @property
    def problems(self) -> list[str]:
        return self.report()[1]


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> Machine:
    machine = Machine(
        replace(make_settings(1), environment={"REDIS_URL": "redis://127.0.0.1:6379"})
    )
    monkeypatch.setattr(release, "RELEASE", tmp_path / "release.json")
    monkeypatch.setattr(status, "manager_of", lambda _: machine.manager)
    monkeypatch.setattr(status, "_state", lambda service: machine.states[service])
    monkeypatch.setattr(site, "outdated", lambda: machine.outdated)
    monkeypatch.setattr(nginx, "drained", lambda: machine.drained)
    monkeypatch.setattr(port, "holders", lambda _: machine.holders)
    monkeypatch.setattr(health, "probe", machine.probe)
    monkeypatch.setattr(health, "connections", lambda _: machine.connections)
    monkeypatch.setattr(redis, "report", lambda _: machine.redis)
    monkeypatch.setattr(disk, "full", lambda: machine.full)
    monkeypatch.setattr(disk, "line", lambda: "disk         1.0 of 8.0 GiB used")
    monkeypatch.setattr(capacity, "connections", lambda _: 100)
    return machine


def test_healthy_machine_has_no_problems(machine: Machine) -> None:
    release.RELEASE.write_text('{"release": "abc", "built": "today"}')
    lines, problems = machine.report()
    assert problems == []
    assert lines == [
        "release    abc, built today",
        "nginx        active",
        "redis-server active    3 of 204 MiB, 0 writes rejected",
        "supervisor   active",
        "asgi:asgi0   RUNNING   pid 7       up 60 s, 0 connections, healthy",
        "connections  0 of 100 that this machine has room for",
        "disk         1.0 of 8.0 GiB used",
    ]


def test_server_that_refuses_every_websocket_is_a_problem(machine: Machine) -> None:
    machine.refuses_websockets = True
    assert machine.problems == []  # the project has no websocket
    machine.set(WEBSOCKET_PATH="/chat/")
    assert machine.problems == ["asgi:asgi0 refuses websockets: /chat/: HTTP 500"]


def test_problems_of_the_settings_and_development_are_shown(machine: Machine) -> None:
    machine.manager.settings.problems.append("site.env, line 1: no")
    machine.set(DEVELOPMENT="yes")
    lines, problems = machine.report()
    assert problems == ["site.env, line 1: no"]
    assert "DEVELOPMENT: errors show their source to every visitor" in lines


def test_stopped_service_is_a_problem(machine: Machine) -> None:
    machine.states["redis-server"] = "inactive"
    assert machine.problems == ["redis-server is inactive: see `systemctl status redis-server`"]


def test_unused_redis_may_be_stopped(machine: Machine) -> None:
    machine.states["redis-server"] = "inactive"
    machine.manager.settings.environment["REDIS_URL"] = "redis://10.0.0.9"
    lines, problems = machine.report()
    assert problems == []
    assert "redis-server not used: REDIS_URL names another one" in lines


def test_failed_boot_service_and_missing_migration_are_problems(machine: Machine) -> None:
    machine.states["laurel-migrate"] = "failed"
    machine.outdated = True
    assert machine.problems == [
        "laurel-migrate has failed: see `journalctl -b -u laurel-migrate`",
        "the database was not migrated for these settings: run `laurel reload`",
    ]


def test_nearly_full_machine_is_a_problem(machine: Machine) -> None:
    machine.connections = 91
    machine.full = "the disk is full"
    machine.redis = ("", ["Redis is full"])
    redis_is_full, connections, disk_is_full = machine.problems
    assert (redis_is_full, disk_is_full) == ("Redis is full", "the disk is full")
    assert connections.startswith("91 of 100 connections are open: beyond, visitors get 503")
    machine.connections = 90
    assert len(machine.problems) == 2


INFO = """\
# Memory
used_memory:3145728
maxmemory:213909504
# Stats
rdb_last_bgsave_status:ok
errorstat_OOM:count=2
errorstat_MISCONF:count=3
"""


@pytest.mark.parametrize(
    ("info", "line", "problem"),
    [
        (INFO, "3 of 204 MiB, 5 writes rejected", ""),
        (
            f"{INFO}client_output_buffer_limit_disconnections:4\n",
            "3 of 204 MiB, 5 writes rejected, 4 slow readers cut off",
            "",
        ),
        ("used_memory:3145728\nmaxmemory:0\n", "3 of 0 MiB, 0 writes rejected", ""),
        (
            INFO.replace("3145728", "213909503"),
            "203 of 204 MiB, 5 writes rejected",
            "Redis is full: 203 of 204 MiB",
        ),
        (INFO.replace("ok", "err"), "3 of 204 MiB, 5 writes rejected", "can't write its snapshot"),
        ("Could not connect to Redis\n", "", "Redis does not answer: Could not connect to Redis"),
    ],
)
def test_redis_reports_its_memory_and_lost_writes(
    make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    info: str,
    line: str,
    problem: str,
) -> None:
    answer = subprocess.CompletedProcess([], 0, info, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    settings = replace(make_settings(1), environment={"REDIS_URL": "redis://127.0.0.1:6379"})
    shown, problems = redis.report(settings)
    assert shown == line
    assert len(problems) == bool(problem)
    assert problem in "".join(problems)


# The processes


def test_hung_and_drained_processes_are_problems(machine: Machine) -> None:
    machine.set(HTTP_SERVER="gunicorn")
    asgi, wsgi = process(), process(group="wsgi")
    machine.hung, machine.drained = {asgi.socket}, {wsgi.socket}
    lines, (hangs, drained) = machine.report()
    assert hangs == "asgi:asgi0 does not answer: /healthz: hangs"
    assert [line.split()[0] for line in lines if "not healthy" in line] == ["asgi:asgi0"]
    assert drained.startswith("wsgi:wsgi0 gets no requests: ")


def test_wrong_number_of_processes_is_a_problem(machine: Machine) -> None:
    machine.set(HTTP_SERVER="gunicorn")
    machine.manager.found[:] = [process()]
    assert machine.problems == ["1 processes, not 2: run `laurel reload`"]


def test_stopped_procfile_process_is_a_problem(machine: Machine) -> None:
    machine.manager.others[:] = [("beat", "RUNNING"), ("worker", "FATAL")]
    lines, problems = machine.report()
    assert problems == ["worker is FATAL: see the log of worker"]
    assert "beat         RUNNING" in lines


def test_silent_manager_is_a_problem(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    fail = Mock(side_effect=LaurelError("supervisord does not answer"))
    monkeypatch.setattr(FakeManager, "processes", fail)
    assert machine.problems == ["supervisord does not answer"]


@pytest.mark.parametrize(
    ("server", "holder", "is_wrong"),
    [
        ("daphne", "supervisord", False),
        ("daphne", "daphne", False),
        ("uvicorn", "python3", False),
        ("daphne", "python3", True),
    ],
)
def test_other_holder_of_the_shared_port_is_a_problem(
    machine: Machine, server: str, holder: str, is_wrong: bool
) -> None:
    machine.holders = [(holder, "9")]
    machine.set(ASGI_SERVER=server)
    text = "port 8000 is held by python3 (pid 9), not by supervisord: stop that program"
    assert machine.problems == [text] * is_wrong
