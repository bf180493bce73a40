"""`laurel status`: what it finds wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from laurel import health, nginx, port, release, site, status
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
    monkeypatch.setattr(health, "connections", lambda _: 0)
    return machine


def test_healthy_machine_has_no_problems(machine: Machine) -> None:
    release.RELEASE.write_text('{"release": "abc", "built": "today"}')
    lines, problems = machine.report()
    assert problems == []
    assert {"release    abc, built today", "redis-server active"} <= set(lines)
    assert lines[-1].startswith("asgi:asgi0   RUNNING   pid 7")
    assert lines[-1].endswith("up 60 s, 0 connections, healthy")


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
