"""Runs the commands of the bake."""

import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

WATCH_SECONDS = 1.0  # without output, until `watch` is called
CLEAN_UP_SECONDS = 5.0  # for the children of a command that has ended


class CommandError(Exception):
    """A command failed or was stopped: which and why, its last lines, its log."""

    def __init__(self, why: str, tail: Sequence[str], log: Path) -> None:
        super().__init__(why)
        self.tail = tail
        self.log = log


class RootError(Exception):
    """This user can't become root."""


def as_root() -> list[str]:
    """What to put before a command that needs root.

    sudo asks for its password here, because only this process has the terminal as its input.
    Raises RootError.
    """
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        raise RootError("this needs root: run it as root, or install sudo")
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    if asked.returncode and subprocess.run(["sudo", "-v"], check=False).returncode:
        raise RootError("sudo gave no root rights: run this in a terminal, or as root")
    return ["sudo", "-n"]


def output(*command: str, cwd: Path | None = None) -> str:
    """What `command` prints. Raises subprocess.CalledProcessError if it fails."""
    return subprocess.run(
        command, cwd=cwd, env=_environment({}), check=True, capture_output=True, text=True
    ).stdout


def attempt(
    *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `command`, which may fail; `env` is added to the environment."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=_environment(env or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def logged(
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    watch: Callable[[], str] = lambda: "",
    tail: int = 20,
) -> None:
    """Run `command`, append its output to `log`, and pass each line to `on_line`.

    `watch` is called at each line and each second; if it returns a reason, the command is stopped
    for that reason. An interrupt ends the command and its children, so that an interrupted bake
    leaves no machine running. Raises CommandError with the last `tail` lines.
    """
    last: list[str] = []
    with (
        log.open("a") as file,
        subprocess.Popen(
            command,
            cwd=cwd,
            env=_environment(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Not a new session, because sudo remembers a password by session and terminal.
            process_group=0,
        ) as process,
    ):
        try:
            for line in _lines(process.stdout):
                if reason := watch():
                    raise CommandError(f"{command[0]} was stopped: {reason}", last, log)
                if line is None:
                    continue
                file.write(line)
                file.flush()
                last = [*last, line.rstrip()][-tail:]
                if on_line:
                    on_line(line.rstrip())
            process.wait()
        except BaseException:
            _end_group(process)
            raise
    if process.returncode:
        raise CommandError(f"{command[0]} ended with exit code {process.returncode}", last, log)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment and `more`, with /usr/sbin, which has sfdisk and e2fsck."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return {**os.environ, "PATH": path, **more}


def _lines(stream: IO[str] | None) -> Iterator[str | None]:
    """The lines of `stream` as they come, and None after each second without a line."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in stream or ():
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=WATCH_SECONDS)
        except queue.Empty:
            yield None
            continue
        if not line:
            return
        yield line


def _end_group(process: subprocess.Popen[str]) -> None:
    """Interrupt the process group, and kill what is left of it after a while."""
    group = process.pid
    _signal(group, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=20)  # Packer takes some seconds to remove its output
    deadline = time.monotonic() + CLEAN_UP_SECONDS
    with suppress(ProcessLookupError):  # the whole group has ended
        while time.monotonic() < deadline:
            _signal(group, 0)
            time.sleep(0.05)
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    """Send a signal to a process group, which sudo may have started.

    Raises ProcessLookupError if the group has ended.
    """
    try:
        os.killpg(group, number)
    except PermissionError:
        command = ["sudo", "-n", "kill", "-s", str(int(number)), "--", f"-{group}"]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            raise ProcessLookupError from None
