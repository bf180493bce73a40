"""`laurel watch`: which processes it replaces, and what it only reports."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from laurel import capacity, disk, health, lock, nginx, rolling, watch
from laurel.process import Process
from laurel.settings import Settings
from unit.processes import FakeManager, process

DAPHNE, SECOND = "/run/daphne/daphne0.sock", "/run/daphne/daphne1.sock"
UVICORN = "/run/daphne/uvicorn0.sock"
OLD = watch.START_LIMIT + 1  # seconds: it has had its time to start


class Machine:
    """The running processes, and those that hang, fail or use too much memory, by their socket."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.manager = FakeManager(settings)
        self.hung = {DAPHNE}
        self.slow: set[str] = set()  # only their health page is
        self.problem: int | str = "/healthz: hangs"
        self.killed: list[tuple[int, int]] = []
        self.drained: set[str] = set()
        self.memory = 0
        self.said: list[str] = []
        self.probed: list[str] = []
        self.watch = watch.Watch(self.said.append, settings)

    def run(self, *pids: int, state: str = "RUNNING", uptime: int = OLD) -> None:
        self.manager.found[:] = [
            process(number, pid=pid, state=state, uptime=uptime) for number, pid in enumerate(pids)
        ]

    def ask(self, path: str, target: str, _timeout: float) -> int | str:
        if target == watch.OTHER_PATH:
            return f"{target}: hangs" if path in self.hung else 404
        self.probed.append(f"{path} {target}")
        return self.problem if path in self.hung | self.slow else 200

    def kill(self, pid: int, number: int) -> None:
        self.killed.append((pid, number))

    def readmit(self, _: Settings) -> None:
        self.drained = set()

    def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            self.watch.round()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]) -> Machine:
    """A machine with one process, which answers nothing."""
    machine = Machine(make_settings(1, PROCESS_MEMORY="200"))
    machine.run(100)
    monkeypatch.setattr(watch, "manager_of", lambda _: machine.manager)
    monkeypatch.setattr(health, "ask", machine.ask)
    monkeypatch.setattr(health, "memory", lambda _: machine.memory)
    monkeypatch.setattr(nginx, "drained", lambda: machine.drained)
    monkeypatch.setattr(rolling, "readmit", machine.readmit)
    monkeypatch.setattr(os, "killpg", lambda *arguments: machine.kill(*arguments))
    return machine


# Hung processes


def test_hung_process_group_is_killed_at_the_second_failure(machine: Machine) -> None:
    machine.run(100, 101)
    machine.rounds()
    assert machine.killed == []
    machine.rounds()
    assert machine.killed == [(100, signal.SIGKILL)]
    assert machine.said == [
        "asgi:asgi0: /healthz: hangs",
        "asgi:asgi0 (pid 100) does not answer, killed: /healthz: hangs",
    ]


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        (500, "/healthz: HTTP 500"),
        ("/healthz: no answer within 5 s", "{}, but it answers other requests"),
    ],
)
def test_failing_or_slow_health_page_is_only_reported(
    machine: Machine, problem: int | str, shown: str
) -> None:
    machine.hung, machine.slow, machine.problem = set(), {DAPHNE}, problem
    machine.rounds(9)
    machine.slow = set()
    machine.rounds()
    assert machine.killed == []
    assert machine.said == [
        f"asgi:asgi0: {shown.format(problem)}",
        "asgi:asgi0 is healthy again",
    ]


def test_answer_resets_the_count(machine: Machine) -> None:
    machine.rounds()
    machine.hung = set()
    machine.rounds()
    machine.hung = {DAPHNE}
    machine.rounds()
    machine.run(101)  # another process of this number
    machine.rounds()
    assert machine.killed == []


@pytest.mark.parametrize(("state", "uptime"), [("STARTING", 900), ("RUNNING", OLD - 1)])
def test_starting_or_stopping_process_is_left_alone(
    machine: Machine, state: str, uptime: int
) -> None:
    machine.run(100, state=state, uptime=uptime)
    machine.rounds(5)
    assert machine.killed == []


def test_young_process_that_has_answered_before_is_killed(machine: Machine) -> None:
    machine.run(100, uptime=5)
    machine.hung = set()
    machine.rounds()
    machine.hung = {DAPHNE}
    machine.rounds(2)
    assert machine.killed == [(100, signal.SIGKILL)]


def test_one_of_two_hung_processes_is_killed_at_a_time(machine: Machine) -> None:
    machine.hung = {DAPHNE, SECOND}
    machine.run(100, 101)
    machine.rounds(5)
    assert machine.killed == [(100, signal.SIGKILL)]
    # The first one has to answer again, and some time has to pass.
    machine.run(102, 101)
    machine.watch.killed -= watch.PAUSE + 1
    machine.rounds()
    assert len(machine.killed) == 1
    machine.hung = {SECOND}
    machine.rounds()
    assert machine.killed[1:] == [(101, signal.SIGKILL)]


def test_pause_between_kills_grows_until_a_calm_time(machine: Machine) -> None:
    pauses = []
    for _ in range(9):
        machine.watch.victim, machine.watch.killed = "", machine.watch.killed - watch.LONGEST_PAUSE
        machine.rounds(2)
        pauses.append(machine.watch.pause)
    assert pauses[:3] == [watch.PAUSE, 2 * watch.PAUSE, 4 * watch.PAUSE]
    assert pauses[-1] == watch.LONGEST_PAUSE
    assert len(machine.killed) == 9
    machine.watch.killed -= watch.CALM
    machine.rounds()
    assert machine.watch.pause == watch.PAUSE


def test_vanished_process_does_not_end_the_round(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(pid: int, number: int) -> None:
        machine.kill(pid, number)
        raise ProcessLookupError

    monkeypatch.setattr(os, "killpg", gone)
    machine.rounds(2)
    assert machine.killed == [(100, signal.SIGKILL)]


# Large and drained processes


def test_process_above_its_memory_is_drained_and_replaced(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[Process] = []
    monkeypatch.setattr(rolling, "replace", lambda _, one: replaced.append(one))
    assert capacity.process_memory(machine.settings.values) == 200
    machine.hung = set()
    machine.memory = 200
    machine.rounds()
    assert replaced == []
    machine.memory = 201
    machine.rounds(2)
    assert replaced == machine.manager.found
    assert machine.killed == []
    assert machine.said == [
        "asgi:asgi0 (pid 100) uses 201 MiB, more than PROCESS_MEMORY=200: drained and replaced"
    ]


def test_drained_processes_get_requests_once_all_answer(machine: Machine) -> None:
    machine.run(100, 101)
    machine.hung, machine.slow = set(), {SECOND}
    machine.drained = {DAPHNE, SECOND}
    machine.rounds()
    assert machine.drained
    machine.slow = set()
    machine.rounds()
    assert not machine.drained
    assert machine.said[-1] == "processes that got no requests answer again: they get requests"


# Changed settings


class _OverError(BaseException):
    """Ends the watch after the last round of a test."""


Watched = Callable[..., list[str]]


@pytest.fixture
def watched(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_settings: Callable[..., Settings],
) -> Watched:
    """Runs the watch with actions between two rounds each; returns what it has probed."""
    written, unfinished = tmp_path / "wsgi.conf", tmp_path / "reload.unfinished"
    monkeypatch.setattr(FakeManager, "files", (tmp_path / "asgi.conf", written))
    monkeypatch.setattr(rolling, "UNFINISHED", unfinished)
    monkeypatch.setattr(rolling, "DONE", tmp_path / "reload.done")
    monkeypatch.setattr(rolling, "LOCK", tmp_path / "reload.lock")
    monkeypatch.setattr(disk, "full", lambda: "")
    monkeypatch.setattr(disk, "LOGS", tmp_path)
    monkeypatch.setattr(watch, "load", lambda: machine.settings)
    monkeypatch.setattr(watch, "manager_of", FakeManager)
    (tmp_path / "asgi.conf").touch()
    machine.hung = set()
    held: list[AbstractContextManager[None]] = [nullcontext()]

    def edit(**values: str) -> None:
        machine.settings = make_settings(1, **values)

    def take() -> None:
        held[0] = lock.exclusive(rolling.LOCK, "laurel reload")
        held[0].__enter__()

    def fail() -> None:
        monkeypatch.setattr(nginx, "drained", lambda: 1 / 0)

    def work() -> None:
        monkeypatch.setattr(nginx, "drained", set)

    actions: dict[str, Callable[[], object]] = {
        "edit": lambda: edit(ASGI_SERVER="uvicorn"),
        "page": lambda: edit(HEALTH_PATH="/ping"),
        "write": written.touch,
        "begin": unfinished.touch,
        "end": unfinished.unlink,
        "done": rolling.DONE.touch,
        "lock": take,
        "unlock": lambda: held[0].__exit__(None, None, None),
        "fail": fail,
        "work": work,
    }

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
        return [line.removesuffix(" /healthz") for line in machine.probed]

    return run


@pytest.mark.parametrize(
    ("between", "probed"),
    [
        # New settings count once the files are written.
        (["edit", "write", ""], [DAPHNE, DAPHNE, UVICORN, UVICORN]),
        # Nothing is probed between new files and the end of their reload.
        (["edit begin write", "", "", "end"], [DAPHNE, UVICORN]),
        (["begin", ""], [DAPHNE, DAPHNE, DAPHNE]),
        (["lock", "", "unlock"], [DAPHNE, DAPHNE]),
        # A setting that is in no file of a process counts after the reload.
        (["page begin", "end done"], [DAPHNE, DAPHNE, f"{DAPHNE} /ping"]),
    ],
)
def test_new_settings_count_after_their_reload(
    watched: Watched, between: list[str], probed: list[str]
) -> None:
    assert watched(*between) == probed


def test_watch_that_starts_after_a_failed_reload_waits(watched: Watched) -> None:
    rolling.UNFINISHED.touch()
    assert watched("", "end") == [DAPHNE]


def test_error_in_a_round_is_reported_and_the_next_one_runs(
    watched: Watched, machine: Machine
) -> None:
    assert watched("fail", "work") == [DAPHNE, DAPHNE, DAPHNE]
    assert machine.said == ["watch: ZeroDivisionError: division by zero"]
