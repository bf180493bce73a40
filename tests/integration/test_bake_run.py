"""run.py with real commands, and a stand-in for sudo."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cli
import pytest
import run
from exclusive import exclusive
from progress import Progress
from run import CommandError, RootError, logged

# A program with a child; the blank is what the child does with SIGINT.
WITH_A_CHILD = """
import os, signal, time
signal.signal(signal.SIGINT, signal.{child})
ready, lives = os.pipe()
child = os.fork()
if child:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.read(ready, 1) # a signal that comes while Python forks does not reach the child
    print(os.getpid(), child, flush=True)
else:
    os.write(lives, b"x")
# A signal that comes as a sleep begins is handled after it.
for _ in range(600):
    time.sleep(0.1)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Takes the output."""
    return tmp_path / "log"


def runs(pid: int) -> bool:
    """Whether the process runs, and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "still false after 5 s"
        time.sleep(0.02)


def interrupt_at_first_line(log: Path, command: list[str]) -> list[int]:
    """Interrupt the command at its first line; return the numbers in it."""
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.extend(int(word) for word in line.split())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        logged(command, log, on_line=interrupt)
    return pids


def test_lines_are_passed_on_as_they_come_and_logged(log: Path) -> None:
    log.write_text("before\n")
    lines: list[tuple[str, float]] = []
    script = r"echo one; echo two >&2; sleep 0.5; printf 'a\377b'; cat"
    logged(["sh", "-c", script], log, on_line=lambda line: lines.append((line, time.monotonic())))
    assert [line for line, _ in lines] == ["one", "two", "a\ufffdb"]
    assert lines[2][1] - lines[0][1] > 0.4
    assert log.read_text() == "before\none\ntwo\na\ufffdb"


def test_failure_has_exit_code_last_lines_and_log(log: Path) -> None:
    with pytest.raises(CommandError, match=r"^sh ended with exit code 3$") as caught:
        logged(["sh", "-c", "seq 50; exit 3"], log)
    assert caught.value.tail == [str(number) for number in range(31, 51)]
    assert caught.value.log == log
    assert len(log.read_text().splitlines()) == 50


@pytest.mark.parametrize("command", ["sleep 600", "while echo x; do sleep 0.1; done"])
def test_watched_command_is_stopped(log: Path, command: str) -> None:
    with pytest.raises(CommandError, match="sh was stopped: it panicked"):
        logged(["sh", "-c", command], log, watch=lambda: "it panicked")


def test_environment_is_added(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    logged(["sh", "-c", "echo $KEPT $ADDED"], log, env={"ADDED": "2"})
    assert log.read_text() == "1 2\n"


def test_interrupted_child_may_clean_up(log: Path, tmp_path: Path) -> None:
    cleans_up = f"lambda *_: (open({str(tmp_path / 'cleaned')!r}, 'w'), os._exit(0))"
    program = WITH_A_CHILD.replace("signal.{child}", cleans_up)
    # The parent lives a little longer, as Packer does.
    program = program.replace("signal.SIG_DFL", "lambda *_: (time.sleep(0.5), os._exit(0))")
    interrupt_at_first_line(log, [sys.executable, "-c", program])
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("child", ["SIG_DFL", "SIG_IGN"], ids=["obeys", "ignores"])
def test_interrupt_ends_the_command_and_its_child(log: Path, child: str) -> None:
    pids = interrupt_at_first_line(log, [sys.executable, "-c", WITH_A_CHILD.format(child=child)])
    try:
        assert len(pids) == 2
        wait_until(lambda: not any(runs(pid) for pid in pids))
    finally:
        for pid in filter(runs, pids):
            os.kill(pid, signal.SIGKILL)


# Root rights

SUDO = """#!/bin/bash
echo "$*" >>"$SUDO_CALLS"
case $* in
"-n true") exit $NEEDS_PASSWORD ;;
-v) exit $REFUSES ;;
esac
[[ $1 == -n ]] && shift
exec "$@"
"""


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The calls of a sudo that asks for a password; this process is an ordinary user's."""
    program = tmp_path / "bin" / "sudo"
    program.parent.mkdir()
    program.write_text(SUDO)
    program.chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SUDO_CALLS", str(calls))
    monkeypatch.setenv("NEEDS_PASSWORD", "1")
    monkeypatch.setenv("REFUSES", "0")
    return calls


@pytest.mark.parametrize(("needs", "calls"), [("1", "-n true\n-v\n"), ("0", "-n true\n")])
def test_sudo_asks_before_the_command_and_only_if_needed(
    sudo: Path, monkeypatch: pytest.MonkeyPatch, needs: str, calls: str
) -> None:
    monkeypatch.setenv("NEEDS_PASSWORD", needs)
    assert run.as_root() == ["sudo", "-n"]
    assert sudo.read_text() == calls


@pytest.mark.usefixtures("sudo")
def test_refused_sudo_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFUSES", "1")
    with pytest.raises(RootError):
        run.as_root()
    code = cli.run(
        "image", lambda: print(run.as_root()), progress=Progress(1), refusals=(), shown=str
    )
    assert code == 1
    assert capsys.readouterr().err == (
        "image: sudo gave no root rights: run this in a terminal, or as root\n"
    )


def test_commands_stay_in_the_session_that_sudo_knows(log: Path) -> None:
    program = "import os; print(os.getsid(0), os.getpgid(0) == os.getpid())"
    logged([sys.executable, "-c", program], log)
    assert log.read_text() == f"{os.getsid(0)} True\n"


def test_group_of_root_is_interrupted_through_sudo(
    sudo: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_group: int, _number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)
    program = "trap 'exit 0' INT; echo $$; for _ in $(seq 100); do sleep 0.1; done"
    (pid,) = interrupt_at_first_line(log, ["bash", "-c", program])
    assert f"-n kill -s 2 -- -{pid}" in sudo.read_text()
    wait_until(lambda: not runs(pid))


# Locks


def test_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "lock"
    waited = threading.Event()
    entered = threading.Event()

    def second() -> None:
        with exclusive(lock, waited.set):
            entered.set()

    with exclusive(lock, lambda: pytest.fail("the lock is free")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(5)
        assert not entered.is_set()
    thread.join(5)
    assert entered.is_set()


def test_lock_of_an_ended_process_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    program = f"import fcntl; fcntl.flock(open({str(lock)!r}, 'a'), fcntl.LOCK_EX)"
    subprocess.run([sys.executable, "-c", program], check=True)
    with exclusive(lock, lambda: pytest.fail("the lock is free")):
        pass
