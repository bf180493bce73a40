"""`laurel reload`: restarts the processes in two halves, so that no request is lost.

One half serves while the other restarts. So the time does not grow with the number of processes,
and nginx starts new workers three times: for each half, and when both serve again.
"""

import time
from collections.abc import Callable, Set
from pathlib import Path

from laurel import files, health, lock, nginx, port, redis, settings, site, templates
from laurel.configure import configure
from laurel.errors import LaurelError
from laurel.manager import Manager, manager_of
from laurel.paths import CURRENT
from laurel.process import Process, sockets
from laurel.settings import Settings

LOCK = Path("/run/laurel/reload.lock")
UNFINISHED = Path("/run/laurel/reload.unfinished")
LONGEST_DRAIN = 30.0  # seconds, for a process that uses too much memory
START_LIMIT = 300.0  # seconds until a process answers; in emulation: 15, on a busy host 150
DONE = Path("/run/laurel/reload.done")  # its time is that of the last complete reload
CLOSED = 5.0  # seconds until a process that closes its websockets has no connection left
RETRIES = 15.0  # seconds for a process that failed to start: about four more attempts


def reload(say: Callable[[str], None]) -> None:
    """Read the settings again and restart each process; `say` gets a message for each step.

    Raises LaurelError if a process does not come back; all others keep serving.
    """
    with lock.exclusive(LOCK, "laurel reload"):
        UNFINISHED.touch()
        # A taken port is reported before anything changes.
        before = settings.load()
        port.check(before, manager_of(before).holder)
        current = configure()
        for problem in current.problems:
            say(problem)
        changed = templates.render_all(current)
        manager = manager_of(current)
        # Redis starts before the new processes need it, and stops (below) after the old ones.
        redis.start()
        if site.outdated():
            site.migrate(current, say)
        if manager.must_restart_all(changed):
            say("the settings of the processes have changed: all of them restart at once")
            manager.restart_all()
            nginx.reload()
            wait(current)
        else:
            _renew(manager, _processes(manager), say)
            # Even if this run did not write the file: an earlier one may have, and failed then.
            manager.update_procfile()
        manager.restart_procfile()
        redis.stop()
        UNFINISHED.unlink()
        DONE.touch()


def replace(manager: Manager, process: Process) -> None:
    """Drain one process and restart it. Raises LaurelError as `reload` does."""
    with lock.exclusive(LOCK, "laurel reload"):
        _renew(manager, [process], lambda _: None, LONGEST_DRAIN)


def readmit(current: Settings) -> None:
    """Make nginx send requests again to the processes that a failed reload left out."""
    with lock.exclusive(LOCK, "laurel reload"):
        _drain(current, frozenset())


def outdated() -> bool:
    """Whether the processes run old code or settings, or an earlier reload has failed."""
    now = settings.load()
    manager = manager_of(now)
    if UNFINISHED.exists() or manager.must_restart_all(()):
        return True
    current = CURRENT.resolve()
    running = {Path(f"/proc/{pid}/cwd").resolve() for pid in manager.pids()}
    return any(
        current.parent in directory.parents and current not in directory.parents
        for directory in running  # a process of the Procfile may have changed its folder
    )


def wait(current: Settings) -> None:
    """Wait until every process answers. Raises LaurelError for the first that does not."""
    manager = manager_of(current)
    for process in _processes(manager):
        _wait_for_health(process, manager)


def _renew(
    manager: Manager,
    processes: list[Process],
    say: Callable[[str], None],
    longest_drain: float = float("inf"),
) -> None:
    """Restart `processes` in two halves, each drained for `longest_drain` seconds at most."""
    current = manager.settings
    half = (current.processes + 1) // 2
    halves = [
        [process for process in processes if (process.number < half) == first]
        for first in (True, False)
    ]
    batches = [batch for batch in halves if batch]
    for count, batch in enumerate(batches, 1):
        say(f"{', '.join(process.name for process in batch)}: {count} of {len(batches)}")
        # If there is only one, no other could take its requests: clients get a 503.
        if current.processes > 1:
            _drain(current, {process.socket for process in batch})
            _wait_for_idle(batch, min(float(current.get("DRAIN_SECONDS")), longest_drain))
        _close_websockets(batch, min(float(current.get("CLOSE_SECONDS")), longest_drain))
        manager.restart(batch)
        for process in batch:
            _wait_for_health(process, manager)
    _drain(current, frozenset())


def _drain(current: Settings, drained: Set[str]) -> None:
    """Make nginx send new requests to all sockets except `drained`.

    nginx reads its file even if it did not change: an earlier reload may have failed after writing
    it.
    """
    templates.render_file(nginx.SITE, current, drained)
    nginx.reload()


def _processes(manager: Manager) -> list[Process]:
    """The site's processes. Raises LaurelError if they are not those of the settings."""
    found, wanted = manager.processes(), sockets(manager.settings)
    if [process.socket for process in found] != wanted:
        raise LaurelError(
            f"{manager.service} has {len(found)} processes, not {len(wanted)}: run `laurel reload`"
        )
    return found


def _wait_for_idle(batch: list[Process], limit: float) -> None:
    """Give the open requests and websockets of drained processes `limit` seconds to end."""
    deadline = time.monotonic() + limit
    while any(health.connections(process.socket) for process in batch):
        if time.monotonic() > deadline:
            return
        time.sleep(0.1)


def _close_websockets(batch: list[Process], seconds: float) -> None:
    """Have the processes close their websockets over `seconds`: see production/laurel_asgi.py."""
    left = [
        one for one in batch if one.group == "asgi" and one.pid and health.connections(one.socket)
    ]
    for process in left:
        files.write(Path(f"{process.socket}.closing"), f"{seconds}\n")
    _wait_for_idle(left, seconds + CLOSED)


def _wait_for_health(process: Process, manager: Manager) -> None:
    started = time.monotonic()
    limit = START_LIMIT
    pids: set[int] = set()
    while problem := health.probe(process.socket, manager.settings.get("HEALTH_PATH")):
        waited = time.monotonic() - started
        if waited > limit:
            raise LaurelError(
                f"{process.name} does not answer after {waited:.0f} s ({problem}):"
                f" see {manager.log(process.name)}. It gets no requests; all other processes serve."
                " Correct the cause, then run `laurel reload` again"
            )
        if limit == START_LIMIT and _fails_to_start(process, manager, pids):
            limit = min(START_LIMIT, waited + RETRIES)
        time.sleep(0.25)


def _fails_to_start(process: Process, manager: Manager, pids: set[int]) -> bool:
    """Whether `process` has ended by itself since it was started; `pids` has those seen before."""
    for now in manager.processes():
        if now.socket == process.socket:
            pids |= {now.pid} - {0}
            return now.state in ("BACKOFF", "FATAL") or len(pids) > 1
    return False
