"""Channel layers and hosts in the settings that cannot work on the machine."""

import ast
import re
from collections.abc import Iterator, Mapping

from laurel import layer

from project.findings.databases import databases
from project.findings.project import Project
from project.source.names import Value
from project.source.tree import Place

# Names that a developer meant to replace, and hosts that RFC 2606 reserves for examples.
_PLACEHOLDER = re.compile(
    r"(^|\.)example(\.(com|org|net))?$|\.(example|invalid)$|^(your|my|change|replace)[-_.]"
    r"|changeme|placeholder|^todo\b|^x{3,}|[<>{}\s]",
    re.IGNORECASE,
)
_URL_HOST = re.compile(r"^\w+://(?:[^@/]*@)?([^:/]+)")


def problems(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Layers in memory, and placeholders for hosts."""
    yield from _layers(project, given)
    yield from _redis_hosts(project, given)
    yield from _database_hosts(project, given)


def notes(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """A database server that the machine does not have; its site.env may still name another."""
    if given.get("DATABASE_URL"):
        return
    found = databases(project, given)
    if not found or not all(database.is_local for database in found):
        return
    database = next((one for one in found if one.kind), found[0])
    if not database.kind:
        what = "the one that DATABASE_URL names, and DATABASE_URL is not set yet"
    elif database.host:
        what = f"{database.kind} at `{database.host}`, and the machine has none"
    else:
        what = f"{database.kind} on the machine itself, which has none"
    yield (
        f"{database.place}: the database is {what}: set DATABASE_URL in /etc/laurel/site.env when"
        " it boots (user-data), or add `export DATABASE_URL=...` to laurel.env; until then the"
        " site does not come up"
    )


def _layers(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Layers that lose messages, unless a condition may choose another layer."""
    if given.get("CHANNEL_LAYER", "project") != "project":
        return
    processes, server = given.get("PROCESSES", "auto"), given.get("HTTP_SERVER", "same")
    refusals = [
        (layer.refusal({"CHANNEL_LAYERS": backend}, processes, server), place)
        for value in project.candidates("CHANNEL_LAYERS")
        for backend, place in _entries(value, "BACKEND")
    ]
    if refusals and all(refusal for refusal, _ in refusals):
        refusal, place = refusals[-1]
        yield f"{place}: {refusal}"


def _redis_hosts(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    if given.get("REDIS_URL"):
        return
    texts = [text for value in project.candidates("CHANNEL_LAYERS") for text in _texts(value)]
    hosts = [(_host(text), place) for text, place in texts]
    for host, place in _all_placeholders([(host, place) for host, place in hosts if host]):
        yield (
            f"{place}: the Redis host {host} is a placeholder: name a real host, or localhost"
            " for the machine's own Redis"
        )


def _database_hosts(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    if given.get("DATABASE_URL"):
        return
    hosts = [
        found for value in project.candidates("DATABASES") for found in _entries(value, "HOST")
    ]
    for host, place in _all_placeholders(hosts):
        yield (
            f"{place}: the database's host {host} is a placeholder: add the real one to laurel.env"
            " as `export DATABASE_URL=postgres://user:password@host/name`"
        )


def _all_placeholders(hosts: list[tuple[str, Place]]) -> list[tuple[str, Place]]:
    """`hosts`, if every one of them is a placeholder."""
    return hosts if all(_PLACEHOLDER.search(host) for host, _ in hosts) else []


def _entries(value: Value, key: str) -> Iterator[tuple[str, Place]]:
    """The strings under `key` in the dictionaries of `value`, and their places."""
    for node in ast.walk(value.node):
        if isinstance(node, ast.Dict):
            for name, inner in zip(node.keys, node.values, strict=True):
                if (
                    isinstance(name, ast.Constant)
                    and name.value == key
                    and isinstance(inner, ast.Constant)
                    and isinstance(inner.value, str)
                ):
                    yield inner.value, Place(value.place.path, inner.lineno)


def _texts(value: Value) -> Iterator[tuple[str, Place]]:
    """The strings of `value` that may name a host: neither keys nor names of variables."""
    others: set[ast.expr | None] = set()
    for node in ast.walk(value.node):
        if isinstance(node, ast.Dict):
            others.update(node.keys)
        elif isinstance(node, ast.Call):
            others.update(node.args[:1])
    for node in ast.walk(value.node):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in others:
            yield node.value, Place(value.place.path, node.lineno)


def _host(text: str) -> str:
    found = _URL_HOST.match(text)
    if found:
        return found[1]
    return text if "." in text and "channels" not in text and "/" not in text else ""
