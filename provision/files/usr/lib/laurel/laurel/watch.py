"""`laurel watch`: a process that runs and no longer answers is killed; supervisor starts it anew.

A stopped or hung process keeps its socket, so nginx goes on giving it requests. When it is
killed, nginx repeats those that may be repeated on another process.
"""

import os
import signal
import time
from collections.abc import Callable

from laurel import health, supervisor, templates
from laurel.errors import LaurelError
from laurel.settings import Settings

INTERVAL = 2.0  # seconds between two rounds
TIMEOUT = 5.0  # seconds for an answer; `/healthz` takes milliseconds
STRIKES = 3  # failures in a row, so a hung process goes within about 20 s
GRACE = 60  # seconds that a process may take to start


def watch(settings: Settings, say: Callable[[str], None]) -> None:
    """Watch for as long as this process lives; `say` is told of each kill."""
    strikes: dict[int, int] = {}
    while True:
        try:
            strikes = round_of_probes(settings, strikes, say)
        except LaurelError:  # supervisord is starting or stopping; systemd looks after it
            strikes = {}
        time.sleep(INTERVAL)


def round_of_probes(
    settings: Settings, strikes: dict[int, int], say: Callable[[str], None]
) -> dict[int, int]:
    """Probe each process once; `strikes` and the result map a pid to its failures in a row."""
    after: dict[int, int] = {}
    for process in supervisor.processes():
        if process.state != "RUNNING" or process.uptime < GRACE:
            continue
        problem = health.probe(
            templates.socket_path(process.number), settings.get("HEALTH_PATH"), TIMEOUT
        )
        if not problem:
            continue
        after[process.pid] = strikes.get(process.pid, 0) + 1
        if after[process.pid] >= STRIKES:
            say(f"{process.name} (pid {process.pid}) does not answer, killed: {problem}")
            os.kill(process.pid, signal.SIGKILL)
    return after
