"""`laurel watch`: what is killed, and what is let be."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from laurel import health, rolling, supervisor, watch
from laurel.process import Process, groups
from laurel.settings import Settings
from unit.processes import process


class Machine:
    """What supervisord says, and which sockets do not answer."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.processes: list[Process] = []
        self.hung: set[str] = set()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.strikes: dict[int, int] = {}

    def add(
        self,
        pid: int,
        state: str = "RUNNING",
        uptime: int = watch.START_LIMIT + 1,
        hung: bool = True,
        group: str = "asgi",
    ) -> None:
        added = process(len(self.processes), group, pid, state, uptime)
        self.processes.append(added)
        if hung:
            self.hung.add(added.socket)

    def probe(self, path: str, target: str, _timeout: float) -> str:
        self.asked.append(path)
        return f"{target}: timed out" if path in self.hung else ""

    def round(self) -> None:
        self.strikes = watch.round_of_probes(self.settings, self.strikes, self.said.append)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]) -> Machine:
    """A machine whose processes are those of the test."""
    machine = Machine(make_settings())
    monkeypatch.setattr(supervisor, "processes", lambda _: machine.processes)
    monkeypatch.setattr(health, "probe", machine.probe)
    return machine


@pytest.fixture
def daphne() -> Iterator[subprocess.Popen[bytes]]:
    """A process that can be killed, the first of its group as a manager makes it."""
    with subprocess.Popen(["sleep", "60"], process_group=0) as process:
        yield process
        process.kill()


def test_a_process_is_killed_at_its_third_failure_in_a_row(
    machine: Machine, daphne: subprocess.Popen[bytes]
) -> None:
    machine.add(daphne.pid)
    machine.round()
    machine.round()
    assert daphne.poll() is None
    assert machine.said == []
    machine.round()
    assert daphne.wait(10) == -9
    assert machine.said == [
        f"asgi:asgi0 (pid {daphne.pid}) does not answer, killed: /healthz: timed out"
    ]


def test_an_answer_in_between_starts_the_count_anew(
    machine: Machine, daphne: subprocess.Popen[bytes]
) -> None:
    machine.add(daphne.pid)
    hung = set(machine.hung)
    for round_hung in (hung, hung, set(), hung, hung):
        machine.hung = round_hung
        machine.round()
    assert daphne.poll() is None


def test_a_new_process_of_the_same_number_starts_at_zero(
    machine: Machine, daphne: subprocess.Popen[bytes]
) -> None:
    machine.add(4_000_001)  # above the largest pid: killing it would raise
    machine.round()
    machine.round()
    machine.processes = []
    machine.add(daphne.pid)
    machine.round()
    assert daphne.poll() is None
    assert machine.strikes == {daphne.pid: 1}


@pytest.mark.parametrize(
    ("state", "uptime"),
    [("STARTING", 900), ("STOPPING", 900), ("BACKOFF", 0), ("RUNNING", watch.START_LIMIT)],
)
def test_a_process_that_is_on_its_way_is_let_be(
    machine: Machine, daphne: subprocess.Popen[bytes], state: str, uptime: int
) -> None:
    machine.add(daphne.pid, state, uptime)
    for _ in range(5):
        machine.round()
    assert daphne.poll() is None
    assert machine.said == []


def test_a_young_process_that_has_answered_before_is_killed_like_an_old_one(
    machine: Machine, daphne: subprocess.Popen[bytes]
) -> None:
    machine.add(daphne.pid, uptime=5, hung=False)
    machine.round()
    machine.hung = {"/run/daphne/daphne0.sock"}
    for _ in range(3):
        machine.round()
    assert daphne.wait(10) == -9


def test_a_process_that_answers_is_let_be(
    machine: Machine, daphne: subprocess.Popen[bytes]
) -> None:
    machine.add(daphne.pid, hung=False)
    for _ in range(5):
        machine.round()
    assert daphne.poll() is None
    assert len(machine.asked) == 5


def test_what_a_process_has_started_goes_with_it(machine: Machine) -> None:
    """A worker of granian or gunicorn would serve on, and be nobody's."""
    with subprocess.Popen(
        ["bash", "-c", "sleep 60 & echo $!; wait"], process_group=0, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout
        worker = Path("/proc") / server.stdout.readline().decode().strip() / "cmdline"
        deadline = time.monotonic() + 10
        while worker.read_text() != "sleep\x0060\x00":  # it is bash's until it becomes sleep's
            assert time.monotonic() < deadline
            time.sleep(0.01)
        machine.add(server.pid, group="wsgi")
        for _ in range(3):
            machine.round()
        assert server.wait(10) == -9
        assert machine.said == [
            f"wsgi:wsgi0 (pid {server.pid}) does not answer, killed: /healthz: timed out"
        ]
        deadline = time.monotonic() + 10
        with suppress(FileNotFoundError, ProcessLookupError):  # it is gone
            while worker.read_text():  # one that nobody has waited for has none any more
                assert time.monotonic() < deadline
                time.sleep(0.01)


def test_only_the_one_that_hangs_is_killed(
    machine: Machine, daphne: subprocess.Popen[bytes]
) -> None:
    with subprocess.Popen(["sleep", "60"], process_group=0) as sibling:
        machine.add(sibling.pid, hung=False)
        machine.add(daphne.pid)
        for _ in range(3):
            machine.round()
        assert daphne.wait(10) == -9
        assert sibling.poll() is None
        sibling.kill()


# What it watches for as long as it lives


class _OverError(Exception):
    """Ends the watch after the last round of a test."""


@pytest.fixture
def rounds(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Runs the watch with what is done between two rounds; its files are `asgi.conf` here."""
    monkeypatch.setattr(supervisor, "FILES", (tmp_path / "asgi.conf", tmp_path / "wsgi.conf"))
    monkeypatch.setattr(rolling, "UNFINISHED", tmp_path / "reload.unfinished")
    monkeypatch.setattr(watch, "load", lambda: machine.settings)
    (tmp_path / "asgi.conf").touch()

    def processes(settings: Settings) -> list[Process]:
        return [
            replace(process(group.name == "wsgi", group.name, 4_000_001), socket=group.socket(0))
            for group in groups(settings)
        ]

    monkeypatch.setattr(supervisor, "processes", processes)

    def run(*between: Callable[[], object]) -> None:
        left = iter(between)

        def sleep(_: float) -> None:
            try:
                next(left)()
            except StopIteration:
                raise _OverError from None

        monkeypatch.setattr(watch.time, "sleep", sleep)
        with pytest.raises(_OverError):
            watch.watch(machine.said.append)

    return run


DAPHNE, UVICORN = "/run/daphne/daphne0.sock", "/run/daphne/uvicorn0.sock"


def test_another_server_is_probed_on_its_own_sockets(
    machine: Machine,
    rounds: Callable[..., None],
    tmp_path: Path,
    make_settings: Callable[..., Settings],
) -> None:
    def choose() -> None:
        machine.settings = make_settings(1, ASGI_SERVER="uvicorn", HTTP_SERVER="gunicorn")
        (tmp_path / "wsgi.conf").touch()

    rounds(choose, lambda: None)
    second = [UVICORN, "/run/daphne/gunicorn0.sock"]
    assert machine.asked == [DAPHNE, *second, *second]


def test_settings_are_those_of_what_runs_until_files_are_written_anew(
    machine: Machine, rounds: Callable[..., None], make_settings: Callable[..., Settings]
) -> None:
    def edit() -> None:
        machine.settings = make_settings(1, ASGI_SERVER="uvicorn")

    rounds(edit, lambda: None)
    assert machine.asked == [DAPHNE] * 3


def test_nothing_is_judged_between_files_that_were_written_and_the_end_of_their_reload(
    machine: Machine,
    rounds: Callable[..., None],
    tmp_path: Path,
    make_settings: Callable[..., Settings],
) -> None:
    """A migration in between takes its time, and the processes before it serve on."""

    def write() -> None:
        machine.settings = make_settings(1, ASGI_SERVER="uvicorn")
        (tmp_path / "reload.unfinished").touch()
        (tmp_path / "wsgi.conf").touch()

    rounds(write, lambda: None, lambda: None, (tmp_path / "reload.unfinished").unlink)
    assert machine.asked == [DAPHNE, UVICORN]


def test_a_reload_that_writes_no_file_is_watched(
    machine: Machine, rounds: Callable[..., None], tmp_path: Path
) -> None:
    rounds((tmp_path / "reload.unfinished").touch, lambda: None)
    assert machine.asked == [DAPHNE] * 3


def test_a_watch_that_begins_amid_a_reload_waits_for_its_end(
    machine: Machine, rounds: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "reload.unfinished").touch()
    rounds(lambda: None, (tmp_path / "reload.unfinished").unlink)
    assert machine.asked == [DAPHNE]
