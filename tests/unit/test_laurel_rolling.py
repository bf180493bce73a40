"""`laurel reload`: the order of its steps, with every other part of the machine replaced."""

import itertools
import os
from collections.abc import Callable, Set
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from laurel import health, nginx, port, redis, rolling, servers, site, templates
from laurel.errors import LaurelError
from laurel.process import Process, sockets
from laurel.settings import Settings
from unit.processes import FakeManager, process

FILES = FakeManager.files


class Machine:
    """Records what is done, in order: `FakeManager` and the rest share the list `done`."""

    def __init__(self, settings: Settings) -> None:
        self.manager = FakeManager(settings)
        self.done = self.manager.done
        self.changed: list[Path] = []
        self.dead: set[str] = set()
        self.open: dict[str, list[int]] = {}
        self.outdated = False
        self.said: list[str] = []

    def reload(self) -> list[str]:
        """Run one; return what it has done."""
        self.done.clear()
        rolling.reload(self.said.append)
        return self.done

    def do(self, step: str) -> Callable[..., None]:
        return lambda *_: self.done.append(step)

    def render_all(self, _: Settings) -> list[Path]:
        changed, self.changed = self.changed, []
        return changed

    def render_file(self, _path: Path, _settings: Settings, drained: Set[str]) -> bool:
        names = sorted(_short(path) for path in drained)
        self.done.append(f"drain {' '.join(names)}".rstrip())
        return False

    def probe(self, path: str, _target: str) -> str:
        self.done.append(f"probe {_short(path)}")
        return "/healthz: refused" if _short(path) in self.dead else ""

    def connections(self, path: str) -> int:
        counts = self.open.get(_short(path), [])
        return counts.pop(0) if counts else 0


def _short(path: str) -> str:
    """The process behind the socket `path`: asgi1, wsgi0."""
    return Path(path).stem.replace("daphne", "asgi").replace("gunicorn", "wsgi")


def renewed(*names: str) -> list[str]:
    """The steps of one half."""
    both = " ".join(names)
    probes = (f"probe {name}" for name in names)
    return [f"drain {both}", "nginx reload", f"restart {both}", *probes]


SERVE_ALL = ["drain", "nginx reload"]


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> Machine:
    """A machine with three processes that all come back."""
    machine = Machine(make_settings(3, DRAIN_SECONDS="0.1", CLOSE_SECONDS="0.1"))
    monkeypatch.setattr(servers, "SOCKETS", tmp_path)
    monkeypatch.setattr(rolling, "CLOSED", 0.0)
    monkeypatch.setattr(rolling, "DONE", tmp_path / "run" / "reload.done")
    monkeypatch.setattr(rolling, "LOCK", tmp_path / "run" / "reload.lock")
    monkeypatch.setattr(rolling, "UNFINISHED", tmp_path / "run" / "reload.unfinished")
    monkeypatch.setattr(rolling, "START_LIMIT", 0.0)
    monkeypatch.setattr(rolling, "CURRENT", Path.cwd().parent)
    monkeypatch.setattr(rolling, "manager_of", lambda _: machine.manager)
    monkeypatch.setattr("laurel.settings.load", lambda: machine.manager.settings)
    monkeypatch.setattr(rolling, "configure", lambda: machine.manager.settings)
    monkeypatch.setattr(port, "check", lambda *_: None)
    monkeypatch.setattr(redis, "start", machine.do("redis start"))
    monkeypatch.setattr(redis, "stop", machine.do("redis stop"))
    monkeypatch.setattr(site, "outdated", lambda: machine.outdated)
    monkeypatch.setattr(site, "migrate", machine.do("migrate"))
    monkeypatch.setattr(nginx, "reload", machine.do("nginx reload"))
    monkeypatch.setattr(templates, "render_all", machine.render_all)
    monkeypatch.setattr(templates, "render_file", machine.render_file)
    monkeypatch.setattr(health, "probe", machine.probe)
    monkeypatch.setattr(health, "connections", machine.connections)
    return machine


@pytest.fixture
def split(machine: Machine, make_settings: Callable[..., Settings]) -> Machine:
    """The machine with two processes of each of two servers."""
    values = {"DRAIN_SECONDS": "0.1", "CLOSE_SECONDS": "0.1", "HTTP_SERVER": "gunicorn"}
    settings = make_settings(2, **values)
    machine.manager = replace(machine.manager, settings=settings)
    return machine


def test_one_half_answers_before_the_other_restarts(split: Machine) -> None:
    assert split.reload() == [
        "redis start",
        *renewed("asgi0", "wsgi0"),
        *renewed("asgi1", "wsgi1"),
        *SERVE_ALL,
        *("update procfile", "restart procfile", "redis stop"),
    ]
    assert split.said == ["asgi:asgi0, wsgi:wsgi0: 1 of 2", "asgi:asgi1, wsgi:wsgi1: 2 of 2"]
    assert rolling.DONE.exists()


def test_larger_half_of_an_odd_number_restarts_first(machine: Machine) -> None:
    halves = [step for step in machine.reload() if step.startswith("restart asgi")]
    assert halves == ["restart asgi0 asgi1", "restart asgi2"]


def test_single_process_is_not_drained(
    machine: Machine, make_settings: Callable[..., Settings]
) -> None:
    machine.manager = replace(machine.manager, settings=make_settings(1))
    assert [step for step in machine.reload() if step.startswith("drain")] == ["drain"]


def test_open_requests_get_the_drain_seconds(split: Machine) -> None:
    split.open = {"wsgi0": (short := [2, 1]), "wsgi1": (long := [1] * 100)}
    assert "restart asgi1 wsgi1" in split.reload()
    assert short == []
    assert long


def test_websockets_that_are_left_are_asked_to_close(split: Machine, tmp_path: Path) -> None:
    split.open = {"asgi1": [1] * 100, "wsgi1": [1] * 100}
    assert "restart asgi1 wsgi1" in split.reload()
    (closing,) = tmp_path.glob("*.closing")
    assert (closing.name, closing.read_text()) == ("daphne1.sock.closing", "0.1\n")


def test_migration_precedes_the_first_restart(machine: Machine) -> None:
    machine.outdated, machine.changed = True, [nginx.SITE]
    assert machine.reload()[:4] == ["redis start", "migrate", "drain asgi0 asgi1", "nginx reload"]


def test_changed_process_settings_restart_all_at_once(split: Machine) -> None:
    split.changed = [FILES[1], nginx.SITE]
    assert split.reload() == [
        "redis start",
        *("restart all", "nginx reload"),
        *("probe asgi0", "probe asgi1", "probe wsgi0", "probe wsgi1"),
        *("restart procfile", "redis stop"),
    ]


def test_changed_procfile_restarts_none_of_the_sites_processes_at_once(machine: Machine) -> None:
    machine.changed = [FakeManager.procfile]
    done = machine.reload()
    assert done[-3:] == ["update procfile", "restart procfile", "redis stop"]
    assert "restart all" not in done


# Failures


def test_process_that_does_not_come_back_ends_the_reload(split: Machine) -> None:
    assert not rolling.outdated()
    split.dead = {"wsgi0"}
    with pytest.raises(LaurelError, match=r"wsgi:wsgi0 does not answer .*the log of wsgi:wsgi0"):
        split.reload()
    assert split.done == ["redis start", *renewed("asgi0", "wsgi0")]
    assert not rolling.DONE.exists()
    # Whatever release the processes run: nginx sends one of them no requests.
    assert rolling.outdated()
    split.dead = set()
    split.reload()
    assert not rolling.outdated()


@pytest.mark.parametrize("restarted", [False, True])
def test_process_that_fails_to_start_ends_the_reload_early(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    pids = itertools.count(1)

    def processes(manager: FakeManager) -> list[Process]:
        pid, state = (next(pids), "RUNNING") if restarted else (0, "BACKOFF")
        return [
            process(number, pid=pid, state=state, socket=socket)
            for number, socket in enumerate(sockets(manager.settings))
        ]

    monkeypatch.setattr(FakeManager, "processes", processes)
    monkeypatch.setattr(rolling, "START_LIMIT", 300.0)
    monkeypatch.setattr(rolling, "RETRIES", 0.0)
    machine.dead = {"asgi1"}
    with pytest.raises(LaurelError, match=r"asgi:asgi1 does not answer after \d s"):
        machine.reload()


def test_failed_migration_leaves_the_new_files_to_the_next_reload(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.outdated, machine.changed = True, [FILES[0]]
    machine.manager.unread.add(FILES[0])
    with monkeypatch.context() as patch:
        patch.setattr(site, "migrate", Mock(side_effect=LaurelError("not migrated")))
        with pytest.raises(LaurelError, match="not migrated"):
            machine.reload()
    assert machine.done == ["redis start"]
    assert rolling.outdated()
    assert machine.reload()[:3] == ["redis start", "migrate", "restart all"]


@pytest.mark.parametrize("failing", [(port, "check"), (templates, "render_all")])
def test_nothing_is_touched_for_a_taken_port_or_a_refused_file(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, failing: tuple[object, str]
) -> None:
    monkeypatch.setattr(*failing, Mock(side_effect=LaurelError("refused")))
    with pytest.raises(LaurelError, match="refused"):
        machine.reload()
    assert machine.done == []


def test_unexpected_number_of_processes_is_refused(split: Machine) -> None:
    rolling.wait(split.manager.settings)
    split.manager.found[:] = [process(), process(1)]
    for run in (split.reload, lambda: rolling.wait(split.manager.settings)):
        with pytest.raises(LaurelError, match="supervisor has 2 processes, not 4: run `laurel rel"):
            run()


def test_second_reload_is_refused_while_one_runs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reload_again() -> None:
        with pytest.raises(LaurelError, match="another `laurel reload` is running"):
            rolling.reload(print)
        machine.done.append("refused")

    monkeypatch.setattr(redis, "start", reload_again)
    assert machine.reload()[0] == "refused"


# One process


def test_single_replaced_process_is_drained(split: Machine) -> None:
    rolling.replace(split.manager, split.manager.processes()[1])
    assert split.done == [*renewed("asgi1"), *SERVE_ALL]


def test_readmitted_processes_get_requests(split: Machine) -> None:
    rolling.readmit(split.manager.settings)
    assert split.done == SERVE_ALL


# Whether a reload is needed


@pytest.mark.parametrize(
    ("folder", "outdated"),
    [("releases/old/app", True), ("releases/new/app", False), ("elsewhere", False)],
)
def test_process_that_runs_another_release_needs_a_reload(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, outdated: bool
) -> None:
    for name in ("releases/new", folder):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / "current").symlink_to("releases/new")
    monkeypatch.setattr(rolling, "CURRENT", tmp_path / "current")
    monkeypatch.chdir(tmp_path / folder)
    machine.manager.running[:] = [os.getpid()]
    assert rolling.outdated() is outdated
