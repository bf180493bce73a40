"""The one way that the bake runs a command."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from run import CommandError, logged, output

# A program with a child, which does with an interrupt what is filled in.
WITH_A_CHILD = """
import os, signal, time
signal.signal(signal.SIGINT, signal.{child})
ready, lives = os.pipe()
child = os.fork()
if child:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.read(ready, 1) # a signal that comes while Python forks is lost on the child
    print(os.getpid(), child, flush=True)
else:
    os.write(lives, b"x")
# A signal that comes as a sleep begins is seen when that has ended.
for _ in range(600):
    time.sleep(0.1)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the output goes."""
    return tmp_path / "log"


def runs(pid: int) -> bool:
    """Whether the process runs; one that has ended and that nobody waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def interrupt_at_first_line(log: Path, command: list[str], pids: list[int]) -> None:
    def interrupt(line: str) -> None:
        pids.extend(int(word) for word in line.split())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        logged(command, log, on_line=interrupt)


def test_each_line_is_shown_and_kept_in_the_log(log: Path) -> None:
    log.write_text("before\n")
    lines: list[str] = []
    logged(["sh", "-c", "echo one; echo two >&2; printf three"], log, on_line=lines.append)
    assert lines == ["one", "two", "three"]
    assert log.read_text() == "before\none\ntwo\nthree"


def test_lines_are_shown_as_they_come(log: Path) -> None:
    started = time.monotonic()
    seen: list[float] = []
    logged(
        ["sh", "-c", "echo one; sleep 0.5"],
        log,
        on_line=lambda _: seen.append(time.monotonic() - started),
    )
    assert seen[0] < time.monotonic() - started - 0.4


def test_what_is_not_text_is_no_error(log: Path) -> None:
    lines: list[str] = []
    logged(["printf", r"a\377b\n"], log, on_line=lines.append)
    assert lines == ["a\ufffdb"]


def test_a_failure_carries_the_exit_code_the_last_lines_and_the_log(log: Path) -> None:
    with pytest.raises(CommandError, match=r"^sh ended with exit code 3$") as caught:
        logged(["sh", "-c", "seq 50; exit 3"], log)
    assert caught.value.tail == [str(number) for number in range(31, 51)]
    assert caught.value.log == log
    assert len(log.read_text().splitlines()) == 50


def test_a_command_is_stopped_when_what_it_works_on_has_failed(log: Path) -> None:
    started = time.monotonic()
    with pytest.raises(CommandError, match="sleep was stopped: it panicked"):
        logged(["sleep", "600"], log, watch=lambda: "it panicked")
    assert time.monotonic() - started < 300  # long before it would have ended by itself


def test_a_command_that_prints_without_end_is_still_watched(log: Path) -> None:
    with pytest.raises(CommandError):
        logged(["sh", "-c", "while echo x; do sleep 0.1; done"], log, watch=lambda: "it panicked")


def test_the_environment_is_added_to(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    logged(["sh", "-c", "echo $KEPT $ADDED"], log, env={"ADDED": "2"})
    assert log.read_text() == "1 2\n"


def test_nothing_is_read_from_the_terminal(log: Path, top: Path) -> None:
    program = f"import pathlib, run; run.logged(['cat'], pathlib.Path({str(log)!r}))"
    subprocess.run(
        [sys.executable, "-B", "-c", program],
        cwd=top / "packer",
        input="typed",
        text=True,
        check=True,
        timeout=20,
    )
    assert log.read_text() == ""


def test_an_interrupted_child_may_clean_up(log: Path, tmp_path: Path) -> None:
    pids: list[int] = []
    cleans_up = f"lambda *_: (open({str(tmp_path / 'cleaned')!r}, 'w'), os._exit(0))"
    program = WITH_A_CHILD.replace("signal.{child}", cleans_up)
    # The parent lives a little longer, as Packer does.
    program = program.replace("signal.SIG_DFL", "lambda *_: (time.sleep(0.5), os._exit(0))")
    interrupt_at_first_line(log, [sys.executable, "-c", program], pids)
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("child", ["SIG_DFL", "SIG_IGN"], ids=["obeys", "ignores it"])
def test_an_interrupt_ends_the_command_and_its_child(log: Path, child: str) -> None:
    """A shell's background process ignores SIGINT."""
    pids: list[int] = []
    started = time.monotonic()
    interrupt_at_first_line(log, [sys.executable, "-c", WITH_A_CHILD.format(child=child)], pids)
    try:
        assert time.monotonic() - started < 10
        assert len(pids) == 2
        _wait_until(lambda: not any(runs(pid) for pid in pids))
    finally:
        for pid in filter(runs, pids):
            os.kill(pid, signal.SIGKILL)


def test_output_is_what_the_command_prints(tmp_path: Path) -> None:
    assert output("pwd", cwd=tmp_path) == f"{tmp_path}\n"


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2
    while not holds():
        assert time.monotonic() < deadline, "still running after 2 s"
        time.sleep(0.02)
