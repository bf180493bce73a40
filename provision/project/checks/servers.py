"""Whether the servers, their manager and the channel layer that were chosen go together."""

import configparser
import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from project.findings.project import Project
from project.findings.versions import end_before, numbers

SERVERS = Path(__file__).resolve().parents[2] / "files/usr/lib/laurel/servers"
LAYERS = ("project", "pubsub", "core", "memory")
HIGHEST_PORT = 65535


def problems(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Settings of the bake that name what is not there, or what can't serve this project."""
    for name, choices in {
        "ASGI_SERVER": _servers("asgi"),
        "HTTP_SERVER": ["same", *_servers("wsgi")],
        "PROCESS_MANAGER": ["supervisor", "systemd"],
        "CHANNEL_LAYER": LAYERS,
    }.items():
        if name in given and given[name] not in choices:
            yield f"{name}={given[name]}: it is one of {', '.join(choices)}"
    yield from _too_old(project, given)
    split = given.get("HTTP_SERVER", "same") != "same"
    if split and not project.findings.value("WSGI_APPLICATION"):
        yield (
            f"HTTP_SERVER={given['HTTP_SERVER']}: the project has no WSGI application: add wsgi.py"
            " as `django-admin startproject` makes it, or write WSGI_APPLICATION=module:name"
        )
    if given.get("CHANNEL_LAYER") == "memory" and (split or given.get("PROCESSES") != "1"):
        yield (
            "CHANNEL_LAYER=memory loses messages between processes: it goes with PROCESSES=1 and"
            " HTTP_SERVER=same, or choose pubsub"
        )
    port = given.get("BIND_PORT", "8000")
    if not re.fullmatch("[1-9][0-9]{0,4}", port) or int(port) > HIGHEST_PORT:
        yield f"BIND_PORT={port}: it is a number from 1 to {HIGHEST_PORT}"
    try:
        ipaddress.IPv4Address(given.get("BIND_ADDRESS", "127.0.0.1"))
    except ValueError as error:
        yield f"BIND_ADDRESS={given['BIND_ADDRESS']}: {error}"


def notes(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """A server that the project does not bring itself."""
    for name in (given.get("ASGI_SERVER", "daphne"), given.get("HTTP_SERVER", "same")):
        if name != "same" and name not in project.packages:
            yield f"{name} is not among the requirements: the newest one is installed beside them"


def _too_old(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """A server that the project holds at a version without the options it is started with."""
    files = _files()
    for name in (given.get("ASGI_SERVER", "daphne"), given.get("HTTP_SERVER", "same")):
        since = files[name].get("since") if name in files else None
        package = project.packages.get(name)
        if since and package and end_before(package.specifiers, numbers(since)):
            yield (
                f"{package.place}: {name}{package.specifiers} does not know the options that it is"
                f" started with, as it does from {since} on: raise it, or choose another server"
            )


def _servers(kind: str) -> list[str]:
    """The servers for a kind of application."""
    return [name for name, file in _files().items() if file["serves"] == kind]


def _files() -> dict[str, configparser.SectionProxy]:
    """What Laurel's file of each server says."""
    found = {}
    for file in sorted(SERVERS.glob("*.conf")):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(file)
        found[file.stem] = parser["server"]
    return found
