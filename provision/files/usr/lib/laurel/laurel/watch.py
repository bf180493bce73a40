"""`laurel watch`: kills processes that run but do not answer; their manager starts them again.

A hung process keeps its socket, so nginx continues to send it requests. When it is killed, nginx
sends those that may be repeated to another process.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from laurel import health, rolling
from laurel.errors import LaurelError
from laurel.manager import manager_of
from laurel.settings import Settings, load

INTERVAL = 2.0  # seconds between two rounds
TIMEOUT = 5.0  # seconds for an answer; `/healthz` takes milliseconds
STRIKES = 3  # failures in a row: a hung process is killed within about 20 s
# Seconds until the first answer. A process that is killed while it starts would never come up, and
# on an overloaded machine a start has taken more than 60 s.
START_LIMIT = 600


def watch(say: Callable[[str], None]) -> None:
    """Probe the processes until this process ends; `say` gets a message for each kill."""
    strikes: dict[int, int] = {}
    settings, seen = load(), list[int]()
    while True:
        written = _modification_times(settings)
        # During a reload the files may name sockets that no running process has: a probe of them
        # would kill processes that serve well.
        if written == seen or not rolling.UNFINISHED.exists():
            if written != seen:
                settings, seen = load(), written
            # The manager does not answer while it starts or stops.
            with suppress(LaurelError):
                strikes = probe_each(settings, strikes, say)
        time.sleep(INTERVAL)


def _modification_times(settings: Settings) -> list[int]:
    """When each file of the processes was written, in nanoseconds."""
    files = [file for file in manager_of(settings).files if file.exists()]
    return [file.stat().st_mtime_ns for file in files]


def probe_each(
    settings: Settings, strikes: dict[int, int], say: Callable[[str], None]
) -> dict[int, int]:
    """Probe each process once, and kill those that have failed STRIKES times.

    `strikes` and the result map a pid to its failures in a row. They hold the processes that have
    answered before or have had their time to start.
    """
    after: dict[int, int] = {}
    for process in manager_of(settings).processes():
        if process.state != "RUNNING":
            continue
        problem = health.probe(process.socket, settings.get("HEALTH_PATH"), TIMEOUT)
        if not problem:
            after[process.pid] = 0
        elif process.pid in strikes or process.uptime > START_LIMIT:
            after[process.pid] = strikes.get(process.pid, 0) + 1
        if after.get(process.pid, 0) >= STRIKES:
            say(f"{process.name} (pid {process.pid}) does not answer, killed: {problem}")
            # The whole process group: a server's worker would serve on without it.
            os.killpg(process.pid, signal.SIGKILL)
    return after
