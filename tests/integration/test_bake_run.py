"""run.py with real commands, and a stand-in for sudo."""

import os
import select
import signal
import sys
import time
from pathlib import Path

import cli
import pytest
import run
from progress import Progress
from run import CommandError, logged

# A program with a child; the blank is what the child does at SIGINT.
WITH_A_CHILD = """
import os, signal, time
signal.signal(signal.SIGINT, {child})
ready, lives = os.pipe()
child = os.fork()
if child:
    # The parent lives a little longer, as Packer does.
    signal.signal(signal.SIGINT, lambda *_: (time.sleep(0.5), os._exit(0)))
    os.read(ready, 1) # a signal that comes while Python forks does not reach the child
    print(os.getpid(), child, flush=True)
else:
    os.write(lives, b"x")
# A signal that comes as a sleep begins is handled after it.
for _ in range(600):
    time.sleep(0.1)
"""
SUDO = """#!/bin/bash
echo "$*" >>"$SUDO_CALLS"
case $* in
"-n true") exit 1 ;;
-v) exit ${REFUSES:-0} ;;
esac
[[ $1 == -n ]] && shift
exec "$@"
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Takes the output."""
    return tmp_path / "log"


def still_runs(pid: int) -> bool:
    """Whether the process has not ended after 5 s."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    return not select.select([process], [], [], 5)[0]


def interrupt_at_first_line(log: Path, command: list[str]) -> list[int]:
    """Interrupt the command at its first line; return the numbers in it."""
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.extend(int(word) for word in line.split())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        logged(command, log, on_line=interrupt)
    return pids


def test_lines_are_passed_on_as_they_come_and_logged(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEPT", "kept")
    log.write_text("before\n")
    lines: list[tuple[str, float]] = []
    logged(
        ["sh", "-c", r"echo $KEPT; echo $ADDED >&2; sleep 0.5; printf 'a\377b'; cat"],
        log,
        env={"ADDED": "added"},
        on_line=lambda line: lines.append((line, time.monotonic())),
    )
    assert [line for line, _ in lines] == ["kept", "added", "a\ufffdb"]
    assert lines[2][1] - lines[0][1] > 0.4
    assert log.read_text() == "before\nkept\nadded\na\ufffdb"


def test_failure_has_exit_code_last_lines_and_log(log: Path) -> None:
    with pytest.raises(CommandError, match=r"^sh ended with exit code 3$") as caught:
        logged(["sh", "-c", "seq 50; exit 3"], log)
    assert caught.value.tail == [str(number) for number in range(31, 51)]
    assert caught.value.log == log
    assert len(log.read_text().splitlines()) == 50


def test_watched_command_is_stopped(log: Path) -> None:
    with pytest.raises(CommandError, match="sh was stopped: it panicked"):
        logged(["sh", "-c", "while echo x; do sleep 0.1; done"], log, watch=lambda: "it panicked")


@pytest.mark.parametrize("cleans_up", [True, False], ids=["cleans up", "ignores it"])
def test_interrupt_ends_the_command_and_its_child(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cleans_up: bool
) -> None:
    monkeypatch.setattr(run, "CLEAN_UP_SECONDS", 0.5)
    cleaned = tmp_path / "cleaned"
    clean_up = f"lambda *_: (open({str(cleaned)!r}, 'w'), os._exit(0))"
    program = WITH_A_CHILD.format(child=clean_up if cleans_up else "signal.SIG_IGN")
    started = time.monotonic()
    pids = interrupt_at_first_line(log, [sys.executable, "-c", program])
    assert time.monotonic() - started < 30, "it waited for the child"
    left = [pid for pid in pids if still_runs(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert (len(pids), left) == (2, [])
    assert cleaned.exists() == cleans_up


# Root rights


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The calls of a sudo that asks for a password; this process is an ordinary user's."""
    program = tmp_path / "sudo"
    program.write_text(SUDO)
    program.chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SUDO_CALLS", str(calls))
    return calls


def test_sudo_asks_for_its_password_before_the_command(sudo: Path) -> None:
    assert run.as_root() == ["sudo", "-n"]
    assert sudo.read_text() == "-n true\n-v\n"


@pytest.mark.usefixtures("sudo")
def test_refused_sudo_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        run.as_root()

    monkeypatch.setenv("REFUSES", "1")
    assert cli.run("image", work, progress=Progress(1), refusals=(), shown=str) == 1
    assert capsys.readouterr().err == (
        "image: sudo gave no root rights: run this in a terminal, or as root\n"
    )


def test_group_of_root_is_interrupted_through_sudo(
    sudo: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_group: int, _number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)
    # Its session, because sudo remembers a password by session; its own group.
    program = "trap 'exit 0' INT; ps -o sid=,pgid= $$; for _ in $(seq 100); do sleep 0.1; done"
    session, pid = interrupt_at_first_line(log, ["bash", "-c", program])
    assert session == os.getsid(0)
    assert f"-n kill -s 2 -- -{pid}" in sudo.read_text()
    assert not still_runs(pid)
