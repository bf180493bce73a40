"""`laurel watch`: which processes it kills."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import health, rolling, watch
from laurel.settings import Settings
from unit.processes import FakeManager, process

DAPHNE, UVICORN = "/run/daphne/daphne0.sock", "/run/daphne/uvicorn0.sock"


class Machine:
    """The running processes, and the sockets that do not answer."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.manager = FakeManager(settings)
        self.hung = {DAPHNE}
        self.killed: list[tuple[int, int]] = []
        self.said: list[str] = []
        self.probed: list[str] = []
        self.strikes: dict[int, int] = {}

    def run(self, pid: int, state: str = "RUNNING", uptime: int = watch.START_LIMIT + 1) -> None:
        self.manager.found[:] = [process(pid=pid, state=state, uptime=uptime)]

    def probe(self, path: str, target: str, _timeout: float) -> str:
        self.probed.append(path)
        return f"{target}: hangs" if path in self.hung else ""

    def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            self.strikes = watch.probe_each(self.settings, self.strikes, self.said.append)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]) -> Machine:
    """A machine with one process, which does not answer."""
    machine = Machine(make_settings(1))
    machine.run(pid=100)
    monkeypatch.setattr(watch, "manager_of", lambda _: machine.manager)
    monkeypatch.setattr(health, "probe", machine.probe)
    monkeypatch.setattr(os, "killpg", lambda *arguments: machine.killed.append(arguments))
    return machine


def test_hung_process_group_is_killed_at_the_third_failure(machine: Machine) -> None:
    machine.manager.found.append(process(1, pid=101, uptime=watch.START_LIMIT + 1))
    machine.rounds(2)
    assert (machine.killed, machine.said) == ([], [])
    machine.rounds()
    assert machine.killed == [(100, signal.SIGKILL)]
    assert machine.said == ["asgi:asgi0 (pid 100) does not answer, killed: /healthz: hangs"]


def test_answer_resets_the_count(machine: Machine) -> None:
    machine.rounds(2)
    machine.hung = set()
    machine.rounds()
    machine.hung = {DAPHNE}
    machine.rounds(2)
    machine.run(pid=101)  # another process of this number
    machine.rounds()
    assert machine.killed == []


@pytest.mark.parametrize(
    ("state", "uptime"),
    [("STARTING", 900), ("RUNNING", watch.START_LIMIT)],
)
def test_starting_or_stopping_process_is_left_alone(
    machine: Machine, state: str, uptime: int
) -> None:
    machine.run(100, state, uptime)
    machine.rounds(5)
    assert (machine.killed, machine.said) == ([], [])


def test_young_process_that_has_answered_before_is_killed(machine: Machine) -> None:
    machine.run(100, uptime=5)
    machine.hung = set()
    machine.rounds()
    machine.hung = {DAPHNE}
    machine.rounds(3)
    assert machine.killed == [(100, signal.SIGKILL)]


# Changed settings


class _OverError(Exception):
    """Ends the watch after the last round of a test."""


@pytest.fixture
def watched(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_settings: Callable[..., Settings],
) -> Callable[..., list[str]]:
    """Runs the watch with actions between two rounds each; returns the sockets it has probed."""
    written, unfinished = tmp_path / "wsgi.conf", tmp_path / "reload.unfinished"
    monkeypatch.setattr(FakeManager, "files", (tmp_path / "asgi.conf", written))
    monkeypatch.setattr(rolling, "UNFINISHED", unfinished)
    monkeypatch.setattr(watch, "load", lambda: machine.settings)
    monkeypatch.setattr(watch, "manager_of", FakeManager)
    (tmp_path / "asgi.conf").touch()
    machine.hung = set()

    def edit() -> None:
        machine.settings = make_settings(1, ASGI_SERVER="uvicorn")

    actions = {"edit": edit, "write": written.touch, "begin": unfinished.touch}
    actions["end"] = unfinished.unlink

    def run(*between: str) -> list[str]:
        left = iter(between)

        def sleep(_: float) -> None:
            names = next(left, None)
            if names is None:
                raise _OverError
            for name in names.split():
                actions[name]()

        monkeypatch.setattr("laurel.watch.time.sleep", sleep)
        with pytest.raises(_OverError):
            watch.watch(machine.said.append)
        return machine.probed

    return run


@pytest.mark.parametrize(
    ("between", "probed"),
    [
        # New settings count once the files are written.
        (["edit", "write", ""], [DAPHNE, DAPHNE, UVICORN, UVICORN]),
        # Nothing is probed between new files and the end of their reload.
        (["edit begin write", "", "", "end"], [DAPHNE, UVICORN]),
        (["begin", ""], [DAPHNE, DAPHNE, DAPHNE]),
    ],
)
def test_new_settings_count_after_their_reload(
    watched: Callable[..., list[str]], between: list[str], probed: list[str]
) -> None:
    assert watched(*between) == probed


def test_watch_that_starts_during_a_reload_waits_for_its_end(
    watched: Callable[..., list[str]],
) -> None:
    rolling.UNFINISHED.touch()
    assert watched("", "end") == [DAPHNE]
