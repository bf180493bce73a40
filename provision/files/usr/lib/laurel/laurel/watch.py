"""`laurel watch`: a process that runs and no longer answers is killed; its manager starts it anew.

A stopped or hung process keeps its socket, so nginx goes on giving it requests. When it is
killed, nginx repeats those that may be repeated on another process.
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
STRIKES = 3  # failures in a row, so a hung process goes within about 20 s
# Seconds that a process may take until its first answer. Killed while it starts, it would
# start for ever: on an overloaded machine that has been seen to take more than 60.
START_LIMIT = 600


def watch(say: Callable[[str], None]) -> None:
    """Watch for as long as this process lives; `say` is told of each kill."""
    strikes: dict[int, int] = {}
    settings, seen = load(), list[int]()
    while True:
        now = _written(settings)
        # Files that a reload wrote and has not taken up yet, or could not, are not what runs: the
        # processes that serve in the meantime would be killed for sockets that they never had.
        if now == seen or not rolling.UNFINISHED.exists():
            # Another server listens on other sockets: the old ones would never answer again.
            if now != seen:
                settings, seen = load(), now
            # Otherwise the manager is starting or stopping.
            with suppress(LaurelError):
                strikes = round_of_probes(settings, strikes, say)
        time.sleep(INTERVAL)


def _written(settings: Settings) -> list[int]:
    """When each file of the processes was written, in nanoseconds."""
    files = [file for file in manager_of(settings).FILES if file.exists()]
    return [file.stat().st_mtime_ns for file in files]


def round_of_probes(
    settings: Settings, strikes: dict[int, int], say: Callable[[str], None]
) -> dict[int, int]:
    """Probe each process once.

    `strikes` and the result map the pid of each process that has answered before, or has had
    its time to start, to its failures in a row.
    """
    after: dict[int, int] = {}
    for process in manager_of(settings).processes(settings):
        if process.state != "RUNNING":
            continue
        problem = health.probe(process.socket, settings.get("HEALTH_PATH"), TIMEOUT)
        if not problem:
            after[process.pid] = 0
        elif process.pid in strikes or process.uptime > START_LIMIT:
            after[process.pid] = strikes.get(process.pid, 0) + 1
        if after.get(process.pid, 0) >= STRIKES:
            say(f"{process.name} (pid {process.pid}) does not answer, killed: {problem}")
            # With those that it started: a worker of a server would go on without it.
            os.killpg(process.pid, signal.SIGKILL)
    return after
