"""`laurel status`: one page on how the site is."""

import json
import subprocess
from collections.abc import Iterator

from laurel import health, nginx, port, redis, release, site
from laurel.errors import LaurelError
from laurel.manager import manager_of
from laurel.process import sockets
from laurel.settings import Settings

SERVICES = ("nginx", "redis-server")
BOOT_SERVICES = ("laurel-configure", "laurel-migrate")  # each has done its work, or failed


def report(settings: Settings) -> tuple[list[str], list[str]]:
    """Lines that describe the site, and lines that say what is wrong with it."""
    lines: list[str] = []
    problems = list(settings.problems)
    if release.RELEASE.exists():
        baked = json.loads(release.RELEASE.read_text())
        lines.append(f"release    {baked['release']}, built {baked['built']}")
    if settings.get("DEVELOPMENT") == "yes":
        lines.append("DEVELOPMENT: errors show their source to every visitor")
    manager = manager_of(settings)
    for service in (*SERVICES, manager.SERVICE):
        if service == "redis-server" and not redis.is_here(settings):
            lines.append(f"{service:<12} not used: REDIS_URL names another")
            continue
        state = _state(service)
        lines.append(f"{service:<12} {state}")
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
        members = manager.processes(settings)
    except LaurelError as error:
        problems.append(str(error))
        members = []
    for process in members:
        answer = health.probe(process.socket, settings.get("HEALTH_PATH"))
        lines.append(
            f"{process.name:<12} {process.state:<9} pid {process.pid or '-':<7}"
            f" up {process.uptime} s, {health.connections(process.socket)} connections,"
            f" {'healthy' if not answer else 'not healthy'}"
        )
        if answer:
            problems.append(f"{process.name} does not answer: {answer} {process.problem}".rstrip())
    others = manager.others(settings) if members else []
    for name, state in others:
        lines.append(f"{name:<12} {state}")
        if state != "RUNNING":
            problems.append(f"{name} is {state}: see {manager.log(name)}")
    without = nginx.drained()
    problems.extend(
        f"{process.name} gets no requests: `laurel reload` is at work or has failed on it;"
        " run it again"
        for process in members
        if process.socket in without
    )
    if members and [process.socket for process in members] != sockets(settings):
        problems.append(
            f"{len(members)} processes and not {len(sockets(settings))}: run `laurel reload`"
        )
    problems.extend(_port_problem(settings, manager.HOLDER))
    return lines, problems


def _port_problem(settings: Settings, manager: str) -> Iterator[str]:
    """The port of the shared socket, if neither `manager` nor a process of the site holds it."""
    wanted = port.address(settings)
    holder = port.holder(wanted[1]) if wanted else ""
    own = (manager, settings.get("ASGI_SERVER"))
    if wanted and holder and not any(port.names(holder, program) for program in own):
        yield f"port {wanted[1]} is held by {holder}, not by {manager}: stop that program"


def _state(service: str) -> str:
    shown = subprocess.run(
        ["systemctl", "is-active", f"{service}.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip()
