"""`laurel reload`: every process is renewed, one at a time, and no request is lost."""

import time
from collections.abc import Callable
from pathlib import Path

from laurel import health, lock, nginx, redis, site, supervisor, templates
from laurel.configure import configure
from laurel.errors import LaurelError
from laurel.settings import CURRENT, Settings

LOCK = Path("/run/laurel/reload.lock")
UNFINISHED = Path("/run/laurel/reload.unfinished")
START_LIMIT = 300.0  # seconds until a process answers; emulation: 15, on a busy host 150
RETRIES = 15.0  # seconds for supervisor's next attempts once one has failed: some four
SUPERVISOR_CONF = Path("/etc/supervisor/conf.d/asgi.conf")
PROCFILE_CONF = Path("/etc/supervisor/conf.d/procfile.conf")


def reload(say: Callable[[str], None]) -> None:
    """Read the settings again and renew each process, telling `say` of each step.

    Raises LaurelError, with every other process left serving, if one does not come back.
    """
    with lock.alone(LOCK, "laurel reload"):
        UNFINISHED.touch()
        settings, changed = configure()
        for problem in settings.problems:
            say(problem)
        # What the new processes need is there before them, and what the old ones need until then.
        redis.start()
        if site.outdated():
            site.migrate(settings, say)
        if SUPERVISOR_CONF in changed:
            say(f"{SUPERVISOR_CONF} has changed: the group restarts as a whole")
            supervisor.update()
            nginx.reload()
            wait(settings)
        else:
            if nginx.SITE in changed:
                nginx.reload()
            _renew_each(settings, say)
            if PROCFILE_CONF in changed:
                supervisor.update()
        supervisor.restart_others()
        redis.stop()
        UNFINISHED.unlink()


def outdated() -> bool:
    """Whether a process runs another release than the current one, or a reload did not end."""
    if UNFINISHED.exists():
        return True
    current = CURRENT.resolve()
    running = {Path(f"/proc/{pid}/cwd").resolve() for pid in supervisor.pids()}
    return any(
        current.parent in directory.parents and current not in directory.parents
        for directory in running  # a program of the Procfile may have gone elsewhere
    )


def _renew_each(settings: Settings, say: Callable[[str], None]) -> None:
    """Restart one of the site's processes after the other, each once the one before answers."""
    members = supervisor.processes()
    for process in members:
        say(f"{process.name}: {process.number + 1} of {len(members)}")
        # A lone process has no other to take its requests: visitors are told to come back.
        if len(members) > 1:
            nginx.drain(settings, {process.number})
            _wait_for_idle(process.number, float(settings.get("DRAIN_SECONDS")))
        supervisor.restart(process)
        _wait_for_health(process.number, settings)
    nginx.drain(settings, frozenset())


def wait(settings: Settings) -> None:
    """Wait until every process answers. Raises LaurelError for the first that does not."""
    for number in range(settings.processes):
        _wait_for_health(number, settings)


def _wait_for_idle(number: int, limit: float) -> None:
    """Give the open requests of a drained process `limit` seconds to end."""
    deadline = time.monotonic() + limit
    while health.connections(templates.socket_path(number)) and time.monotonic() < deadline:
        time.sleep(0.1)


def _wait_for_health(number: int, settings: Settings) -> None:
    started = time.monotonic()
    limit = START_LIMIT
    while problem := health.probe(templates.socket_path(number), settings.get("HEALTH_PATH")):
        waited = time.monotonic() - started
        if waited > limit:
            raise LaurelError(
                f"asgi:asgi{number} does not answer after {waited:.0f} s ({problem}):"
                f" see /var/log/site/asgi{number}.log. The others serve as they did, and it gets"
                " no requests: mend the cause, then run `laurel reload` again"
            )
        if limit == START_LIMIT and supervisor.fails_to_start(number):
            limit = min(START_LIMIT, waited + RETRIES)
        time.sleep(0.25)
