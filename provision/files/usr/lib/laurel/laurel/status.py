"""`laurel status`: one page on how the site is."""

import json
import subprocess
from collections.abc import Iterator

from laurel import health, nginx, port, redis, release, site, supervisor, templates
from laurel.errors import LaurelError
from laurel.settings import Settings

SERVICES = ("nginx", "redis-server", "supervisor")
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
    for service in SERVICES:
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
        members = supervisor.processes()
    except LaurelError as error:
        problems.append(str(error))
        members = []
    for process in members:
        answer = health.probe(templates.socket_path(process.number), settings.get("HEALTH_PATH"))
        open_connections = health.connections(templates.socket_path(process.number))
        lines.append(
            f"{process.name:<12} {process.state:<9} pid {process.pid or '-':<7}"
            f" up {process.uptime} s, {open_connections} connections,"
            f" {'healthy' if not answer else 'not healthy'}"
        )
        if answer:
            problems.append(f"{process.name} does not answer: {answer} {process.problem}".rstrip())
    others = supervisor.others() if members else []
    for name, state in others:
        lines.append(f"{name:<12} {state}")
        if state != "RUNNING":
            problems.append(f"{name} is {state}: see /var/log/site/{name}.log")
    problems.extend(
        f"asgi:asgi{number} gets no requests: `laurel reload` is at work or has failed on it;"
        " run it again"
        for number in sorted(nginx.drained())
    )
    if members and len(members) != settings.processes:
        problems.append(
            f"{len(members)} processes and not {settings.processes}: run `laurel reload`"
        )
    problems.extend(_port_problem())
    return lines, problems


def _port_problem() -> Iterator[str]:
    holder = port.holder()
    if holder and not any(name in holder for name in ("supervisord", "daphne")):
        yield f"port {port.ADDRESS[1]} is held by {holder}, not by supervisord: stop that program"


def _state(service: str) -> str:
    shown = subprocess.run(
        ["systemctl", "is-active", f"{service}.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip()
