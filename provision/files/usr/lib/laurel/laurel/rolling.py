"""`laurel reload`: every process is renewed, one at a time, and no request is lost."""

import time
from collections.abc import Callable
from pathlib import Path

from laurel import health, lock, nginx, port, redis, settings, site
from laurel.configure import configure
from laurel.errors import LaurelError
from laurel.manager import manager_of
from laurel.paths import CURRENT
from laurel.process import Manager, Process, sockets
from laurel.settings import Settings

LOCK = Path("/run/laurel/reload.lock")
UNFINISHED = Path("/run/laurel/reload.unfinished")
START_LIMIT = 300.0  # seconds until a process answers; emulation: 15, on a busy host 150
RETRIES = 15.0  # seconds for the manager's next attempts once one has failed: some four


def reload(say: Callable[[str], None]) -> None:
    """Read the settings again and renew each process, telling `say` of each step.

    Raises LaurelError, with every other process left serving, if one does not come back.
    """
    with lock.alone(LOCK, "laurel reload"):
        UNFINISHED.touch()
        # Before anything is written or stopped for it.
        before = settings.load()
        port.check(before, manager_of(before).HOLDER)
        current, changed = configure()
        for problem in current.problems:
            say(problem)
        manager = manager_of(current)
        # What the new processes need is there before them, and what the old ones need until then.
        redis.start()
        if site.outdated():
            site.migrate(current, say)
        if manager.must_restart(current, changed):
            say("the processes' own settings have changed: all of them restart at once")
            manager.update(current)
            nginx.reload()
            wait(current)
        else:
            if nginx.SITE in changed:
                nginx.reload()
            _renew_each(manager, current, say)
            if manager.PROCFILE in changed:
                manager.update_others(current)
        manager.restart_others(current)
        redis.stop()
        UNFINISHED.unlink()


def outdated() -> bool:
    """Whether a process runs another release than the current one, more run than should, or a
    reload did not end."""
    now = settings.load()
    manager = manager_of(now)
    if UNFINISHED.exists() or manager.must_restart(now, ()):
        return True
    current = CURRENT.resolve()
    running = {Path(f"/proc/{pid}/cwd").resolve() for pid in manager.pids()}
    return any(
        current.parent in directory.parents and current not in directory.parents
        for directory in running  # a program of the Procfile may have gone elsewhere
    )


def _renew_each(manager: Manager, current: Settings, say: Callable[[str], None]) -> None:
    """Restart one of the site's processes after the other, each once the one before answers."""
    # A form goes to wsgi where there is one: it is drained before anything else takes its time.
    members = sorted(_members(manager, current), key=lambda member: member.group, reverse=True)
    for count, member in enumerate(members, 1):
        say(f"{member.name}: {count} of {len(members)}")
        # A lone process has no other to take its requests: visitors are told to come back.
        if current.processes > 1:
            nginx.drain(current, {member.socket})
            _wait_for_idle(member.socket, float(current.get("DRAIN_SECONDS")))
        manager.restart(member)
        _wait_for_health(member, manager, current)
    nginx.drain(current, frozenset())


def wait(current: Settings) -> None:
    """Wait until every process answers. Raises LaurelError for the first that does not."""
    manager = manager_of(current)
    for member in _members(manager, current):
        _wait_for_health(member, manager, current)


def _members(manager: Manager, current: Settings) -> list[Process]:
    """The site's processes. Raises LaurelError if they are not those of the settings."""
    members = manager.processes(current)
    if [member.socket for member in members] != sockets(current):
        raise LaurelError(
            f"{manager.SERVICE} has {len(members)} processes and not {len(sockets(current))}:"
            " run `laurel reload`"
        )
    return members


def _wait_for_idle(socket: str, limit: float) -> None:
    """Give the open requests of a drained process `limit` seconds to end."""
    deadline = time.monotonic() + limit
    while health.connections(socket) and time.monotonic() < deadline:
        time.sleep(0.1)


def _wait_for_health(member: Process, manager: Manager, current: Settings) -> None:
    started = time.monotonic()
    limit = START_LIMIT
    while problem := health.probe(member.socket, current.get("HEALTH_PATH")):
        waited = time.monotonic() - started
        if waited > limit:
            raise LaurelError(
                f"{member.name} does not answer after {waited:.0f} s ({problem}):"
                f" see {manager.log(member.name)}. The others serve as they did, and it gets"
                " no requests: mend the cause, then run `laurel reload` again"
            )
        if limit == START_LIMIT and manager.fails_to_start(member):
            limit = min(START_LIMIT, waited + RETRIES)
        time.sleep(0.25)
