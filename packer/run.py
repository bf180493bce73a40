"""The one way that the bake runs a command."""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

WATCH_SECONDS = 1.0
CLEAN_UP_SECONDS = 5.0  # for the children of a command that has ended


class CommandError(Exception):
    """A command that failed or was stopped: which and why, its last lines, its log."""

    def __init__(self, why: str, tail: Sequence[str], log: Path) -> None:
        super().__init__(why)
        self.tail = tail
        self.log = log


def output(*command: str, cwd: Path | None = None) -> str:
    """What `command` prints. Raises subprocess.CalledProcessError if it fails."""
    return subprocess.run(
        command, cwd=cwd, env=_environment({}), check=True, capture_output=True, text=True
    ).stdout


def attempt(
    *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What became of `command`, which may fail; `env` is added to the environment."""
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
    """Run `command` with its output appended to `log`, a line at a time also to `on_line`.

    `watch` is asked at each line and each second; when it gives a reason, the command is stopped
    for it. The command and its children are one process group, which is ended with this process:
    an interrupted bake leaves no machine behind. Raises CommandError with the last `tail` lines.
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
            start_new_session=True,
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
    """This process's, and `more`. Debian keeps sfdisk and e2fsck off an ordinary user's PATH."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return {**os.environ, "PATH": path, **more}


def _lines(stream: IO[str] | None) -> Iterator[str | None]:
    """The lines of `stream` as they come; None for each second in which none came."""
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
    """Interrupt the group, as a terminal would, and end what does not heed it."""
    group = process.pid
    os.killpg(group, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=20)  # Packer takes some seconds to remove its output
    deadline = time.monotonic() + CLEAN_UP_SECONDS
    with suppress(ProcessLookupError):  # nothing is left
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
