"""`laurel status`: what it finds wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from laurel import health, nginx, port, redis, release, site, status, supervisor
from laurel.settings import LOCAL_REDIS, Settings
from laurel.supervisor import Process


class Machine:
    """What the rest of the machine says."""

    def __init__(self) -> None:
        self.states = dict.fromkeys((*status.SERVICES, *status.BOOT_SERVICES), "active")
        self.outdated = False


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that is well, with one process."""
    machine = Machine()
    process = Process(0, "asgi:asgi0", 7, "RUNNING", 60, "")
    monkeypatch.setattr(release, "RELEASE", tmp_path / "release.json")
    monkeypatch.setattr(status, "_state", machine.states.__getitem__)
    monkeypatch.setattr(site, "outdated", lambda: machine.outdated)
    monkeypatch.setattr(supervisor, "processes", lambda: [process])
    monkeypatch.setattr(supervisor, "others", lambda: [])
    monkeypatch.setattr(nginx, "drained", lambda: set())
    monkeypatch.setattr(port, "holder", lambda: "supervisord (pid 1)")
    monkeypatch.setattr(health, "probe", lambda *_: "")
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
