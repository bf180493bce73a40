"""`laurel status`: what it finds wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from laurel import health, nginx, port, redis, release, site, status, supervisor
from laurel.process import Process
from laurel.settings import LOCAL_REDIS, Settings
from unit.processes import process


class Machine:
    """What the rest of the machine says."""

    def __init__(self) -> None:
        services = (*status.SERVICES, supervisor.SERVICE, *status.BOOT_SERVICES)
        self.states = dict.fromkeys(services, "active")
        self.outdated = False
        self.processes = [process()]
        self.holder = "supervisord (pid 1)"
        self.drained: set[str] = set()
        self.hung: set[str] = set()
        self.asked_port = 0

    def probe(self, path: str, target: str) -> str:
        return f"{target}: timed out" if path in self.hung else ""

    def holder_of(self, wanted: int) -> str:
        self.asked_port = wanted
        return self.holder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that is well, with one process."""
    machine = Machine()
    monkeypatch.setattr(release, "RELEASE", tmp_path / "release.json")
    monkeypatch.setattr(status, "_state", machine.states.__getitem__)
    monkeypatch.setattr(site, "outdated", lambda: machine.outdated)
    monkeypatch.setattr(supervisor, "processes", lambda _: machine.processes)
    monkeypatch.setattr(supervisor, "others", lambda _: [])
    monkeypatch.setattr(nginx, "drained", lambda: machine.drained)
    monkeypatch.setattr(port, "holder", machine.holder_of)
    monkeypatch.setattr(health, "probe", machine.probe)
    monkeypatch.setattr(health, "connections", lambda _: 0)
    return machine


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return replace(make_settings(1), environment={"REDIS_URL": LOCAL_REDIS})


@pytest.mark.usefixtures("machine")
def test_nothing_is_wrong_with_a_machine_that_is_well(settings: Settings) -> None:
    lines, problems = status.report(settings)
    assert problems == []
    assert "redis-server active" in lines


@pytest.mark.usefixtures("machine")
def test_what_is_wrong_with_the_settings_is_told(settings: Settings) -> None:
    _, problems = status.report(replace(settings, problems=["site.env, line 1: no"]))
    assert problems == ["site.env, line 1: no"]


@pytest.mark.parametrize("service", ["nginx", "redis-server", "supervisor"])
def test_a_service_that_does_not_run_is_told(
    machine: Machine, settings: Settings, service: str
) -> None:
    machine.states[service] = "inactive"
    assert status.report(settings)[1] == [
        f"{service} is inactive: see `systemctl status {service}`"
    ]


def test_a_redis_that_is_not_used_need_not_run(machine: Machine, settings: Settings) -> None:
    machine.states["redis-server"] = "inactive"
    elsewhere = replace(settings, environment={"REDIS_URL": "redis://10.0.0.9"})
    lines, problems = status.report(elsewhere)
    assert not redis.is_here(elsewhere)
    assert problems == []
    assert "redis-server not used: REDIS_URL names another" in lines


@pytest.mark.parametrize("service", status.BOOT_SERVICES)
def test_work_of_the_boot_that_has_failed_is_told(
    machine: Machine, settings: Settings, service: str
) -> None:
    machine.states[service] = "failed"
    assert status.report(settings)[1] == [f"{service} has failed: see `journalctl -b -u {service}`"]


def test_a_database_that_was_not_migrated_is_told(machine: Machine, settings: Settings) -> None:
    machine.outdated = True
    assert status.report(settings)[1] == [
        "the database was not migrated for these settings: run `laurel reload`"
    ]


# Which processes there are


BOTH: list[Process] = [process(), process(group="wsgi")]


def test_each_process_has_a_line(machine: Machine, settings: Settings) -> None:
    machine.processes = BOTH
    lines, problems = status.report(with_gunicorn(settings))
    assert problems == []
    assert [line.split()[0] for line in lines[-2:]] == ["asgi:asgi0", "wsgi:wsgi0"]
    assert all(line.endswith("0 connections, healthy") for line in lines[-2:])


@pytest.mark.parametrize("hung", BOTH, ids=lambda one: one.name)
def test_a_process_that_does_not_answer_is_told(
    machine: Machine, settings: Settings, hung: Process
) -> None:
    machine.processes = BOTH
    machine.hung = {hung.socket}
    lines, problems = status.report(with_gunicorn(settings))
    assert problems == [f"{hung.name} does not answer: /healthz: timed out"]
    assert [line.split()[0] for line in lines if "not healthy" in line] == [hung.name]


@pytest.mark.parametrize("drained", BOTH, ids=lambda one: one.name)
def test_a_process_that_gets_no_requests_is_told(
    machine: Machine, settings: Settings, drained: Process
) -> None:
    machine.processes = BOTH
    machine.drained = {drained.socket}
    (problem,) = status.report(with_gunicorn(settings))[1]
    assert problem.startswith(f"{drained.name} gets no requests: ")


def test_processes_that_the_settings_do_not_want_are_told(
    machine: Machine, settings: Settings
) -> None:
    # supervisord has not taken up that plain HTTP has a server of its own.
    told = "1 processes and not 2: run `laurel reload`"
    assert status.report(with_gunicorn(settings))[1] == [told]
    machine.processes = BOTH
    assert status.report(with_gunicorn(settings))[1] == []


# The socket that all share


@pytest.mark.parametrize(
    ("server", "held"),
    [("daphne", "supervisord"), ("daphne", "daphne"), ("hypercorn", "hypercorn")],
)
def test_the_shared_port_may_be_held_by_the_manager_and_its_processes(
    machine: Machine, settings: Settings, server: str, held: str
) -> None:
    machine.processes = [replace(process(), socket=f"/run/daphne/{server}0.sock")]
    machine.holder = f"{held} (pid 7)"
    chosen = replace(settings, values={**settings.values, "ASGI_SERVER": server})
    assert status.report(chosen)[1] == []


def test_another_holder_of_the_shared_port_is_told(machine: Machine, settings: Settings) -> None:
    machine.holder = "python3 (pid 9)"
    elsewhere = replace(settings, values={**settings.values, "BIND_PORT": "8123"})
    assert status.report(elsewhere)[1] == [
        "port 8123 is held by python3 (pid 9), not by supervisord: stop that program"
    ]
    assert machine.asked_port == 8123


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_a_server_that_shares_no_port_leaves_it_to_others(
    machine: Machine, settings: Settings, server: str
) -> None:
    machine.processes = [replace(process(), socket=f"/run/daphne/{server}0.sock")]
    machine.holder = "python3 (pid 9)"
    chosen = replace(settings, values={**settings.values, "ASGI_SERVER": server})
    assert status.report(chosen)[1] == []


def with_gunicorn(settings: Settings) -> Settings:
    return replace(settings, values={**settings.values, "HTTP_SERVER": "gunicorn"})
