"""`laurel status`: the state of the site on one page."""

import json
import subprocess
from collections.abc import Iterator

from laurel import capacity, disk, health, nginx, port, redis, release, site
from laurel.errors import LaurelError
from laurel.manager import Manager, manager_of
from laurel.process import sockets
from laurel.settings import Settings

SERVICES = ("nginx", "redis-server")
NEARLY_FULL = 0.9  # of the connections
BOOT_SERVICES = ("laurel-configure", "laurel-migrate")  # each runs once at a boot


def report(settings: Settings) -> tuple[list[str], list[str]]:
    """Lines that describe the site, and lines that say what is wrong with it."""
    lines: list[str] = []
    problems = list(settings.problems)
    manager = manager_of(settings)
    if release.RELEASE.exists():
        baked = json.loads(release.RELEASE.read_text())
        lines.append(f"release    {baked['release']}, built {baked['built']}")
    if settings.get("DEVELOPMENT") == "yes":
        lines.append("DEVELOPMENT: errors show their source to every visitor")
    for service in (*SERVICES, manager.service):
        if service == "redis-server" and not redis.is_here(settings):
            lines.append(f"{service:<12} not used: REDIS_URL names another one")
            continue
        state = _state(service)
        shown = ""
        if service == "redis-server" and state == "active":
            shown, found = redis.report(settings)
            problems.extend(found)
        lines.append(f"{service:<12} {state:<9} {shown}".rstrip())
        if state != "active":
            problems.append(f"{service} is {state}: see `systemctl status {service}`")
    problems.extend(
        f"{service} has failed: see `journalctl -b -u {service}`"
        for service in BOOT_SERVICES
        if _state(service) == "failed"
    )
    if site.outdated():
        problems.append("the database was not migrated for these settings: run `laurel reload`")
    try:
        _report_processes(manager, lines, problems)
    except LaurelError as error:
        problems.append(str(error))
    problems.extend(_port_problem(manager))
    lines.append(disk.line())
    problems.extend(filter(None, [disk.full()]))
    return lines, problems


def _report_processes(manager: Manager, lines: list[str], problems: list[str]) -> None:
    settings = manager.settings
    processes = manager.processes()
    for process in processes:
        problem = health.probe(process.socket, settings.get("HEALTH_PATH"))
        lines.append(
            f"{process.name:<12} {process.state:<9} pid {process.pid or '-':<7}"
            f" up {process.uptime} s, {health.connections(process.socket)} connections,"
            f" {'not healthy' if problem else 'healthy'}"
        )
        if problem:
            problems.append(f"{process.name} does not answer: {problem} {process.problem}".rstrip())
        elif "wsgi" not in process.name and settings.get("WEBSOCKET_PATH"):
            # A server whose libraries do not fit together serves pages, and no websocket.
            refused = health.probe(
                process.socket, settings.get("WEBSOCKET_PATH"), headers=health.HANDSHAKE
            )
            if refused:
                problems.append(f"{process.name} refuses websockets: {refused}")
    # An idle connection that nginx keeps open counts, too: a few for each of its workers.
    open_now = sum(health.connections(process.socket) for process in processes)
    most = capacity.connections(settings.values)
    lines.append(f"{'connections':<12} {open_now} of {most} that this machine has room for")
    if open_now > most * NEARLY_FULL:
        problems.append(
            f"{open_now} of {most} connections are open: beyond, visitors get 503 (a machine with"
            " more memory has room for more)"
        )
    for name, state in manager.procfile_states():
        lines.append(f"{name:<12} {state}")
        if state != "RUNNING":
            problems.append(f"{name} is {state}: see {manager.log(name)}")
    drained = nginx.drained()
    problems.extend(
        f"{process.name} gets no requests: `laurel reload` is running or has failed; run it again"
        for process in processes
        if process.socket in drained
    )
    if [process.socket for process in processes] != sockets(settings):
        problems.append(
            f"{len(processes)} processes, not {len(sockets(settings))}: run `laurel reload`"
        )


def _port_problem(manager: Manager) -> Iterator[str]:
    """A program other than the manager and its processes that holds the shared socket's port."""
    settings = manager.settings
    wanted = port.address(settings)
    found = port.holders(wanted[1]) if wanted else []
    if wanted and found and not {manager.holder, settings.get("ASGI_SERVER")} & dict(found).keys():
        yield (
            f"port {wanted[1]} is held by {port.describe(found)}, not by {manager.holder}:"
            " stop that program"
        )


def _state(service: str) -> str:
    shown = subprocess.run(
        ["systemctl", "is-active", f"{service}.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip()
