"""`laurel reload`: restarts the processes one at a time, so that no request is lost."""

import time
from collections.abc import Callable, Set
from pathlib import Path

from laurel import health, lock, nginx, port, redis, settings, site, templates
from laurel.configure import configure
from laurel.errors import LaurelError
from laurel.manager import Manager, manager_of
from laurel.paths import CURRENT
from laurel.process import Process, sockets
from laurel.settings import Settings

LOCK = Path("/run/laurel/reload.lock")
UNFINISHED = Path("/run/laurel/reload.unfinished")
START_LIMIT = 300.0  # seconds until a process answers; in emulation: 15, on a busy host 150
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
            if nginx.SITE in changed:
                nginx.reload()
            _renew_each(manager, say)
            if manager.procfile in changed:
                manager.update_procfile()
        manager.restart_procfile()
        redis.stop()
        UNFINISHED.unlink()


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


def _renew_each(manager: Manager, say: Callable[[str], None]) -> None:
    current = manager.settings
    # wsgi before asgi: where wsgi exists it gets the forms, so its requests are drained first.
    processes = sorted(_processes(manager), key=lambda process: process.group, reverse=True)
    for count, process in enumerate(processes, 1):
        say(f"{process.name}: {count} of {len(processes)}")
        # If there is only one, no other could take its requests: clients get a 503.
        if current.processes > 1:
            _drain(current, {process.socket})
            _wait_for_idle(process.socket, float(current.get("DRAIN_SECONDS")))
        manager.restart(process)
        _wait_for_health(process, manager)
    _drain(current, frozenset())


def _drain(current: Settings, drained: Set[str]) -> None:
    """Make nginx send new requests to all sockets except `drained`."""
    if templates.render_file(nginx.SITE, current, drained):
        nginx.reload()


def _processes(manager: Manager) -> list[Process]:
    """The site's processes. Raises LaurelError if they are not those of the settings."""
    found, wanted = manager.processes(), sockets(manager.settings)
    if [process.socket for process in found] != wanted:
        raise LaurelError(
            f"{manager.service} has {len(found)} processes, not {len(wanted)}: run `laurel reload`"
        )
    return found


def _wait_for_idle(socket: str, limit: float) -> None:
    """Give the open requests of a drained process `limit` seconds to end."""
    deadline = time.monotonic() + limit
    while health.connections(socket) and time.monotonic() < deadline:
        time.sleep(0.1)


def _wait_for_health(process: Process, manager: Manager) -> None:
    started = time.monotonic()
    limit = START_LIMIT
    while problem := health.probe(process.socket, manager.settings.get("HEALTH_PATH")):
        waited = time.monotonic() - started
        if waited > limit:
            raise LaurelError(
                f"{process.name} does not answer after {waited:.0f} s ({problem}):"
                f" see {manager.log(process.name)}. It gets no requests; all other processes serve."
                " Correct the cause, then run `laurel reload` again"
            )
        if limit == START_LIMIT and manager.fails_to_start(process):
            limit = min(START_LIMIT, waited + RETRIES)
        time.sleep(0.25)
