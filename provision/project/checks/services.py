"""The services that the settings name: layers and hosts that can't work on the machine."""

import ast
import re
from collections.abc import Iterator, Mapping

from laurel import layer

from project.findings.databases import databases
from project.findings.project import Project
from project.source.modules import Value
from project.source.tree import Place

# What a name looks like that somebody meant to replace, and hosts that RFC 2606 keeps for examples.
_PLACEHOLDER = re.compile(
    r"(^|\.)example(\.(com|org|net))?$|\.(example|invalid)$|^(your|my|change|replace)[-_.]"
    r"|changeme|placeholder|^todo\b|^x{3,}|[<>{}\s]",
    re.IGNORECASE,
)
_URL_HOST = re.compile(r"^\w+://(?:[^@/]*@)?([^:/]+)")


def problems(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Layers in memory, and hosts that were never filled in."""
    yield from _layers(project, given)
    yield from _databases(project, given)


def notes(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """A database that the machine has not: no fault, for it may be told of another at its boot."""
    if given.get("DATABASE_URL"):
        return
    found = databases(project, given)
    if not found or not all(database.is_here for database in found):
        return
    database = next((one for one in found if one.kind), found[0])
    if not database.kind:
        told = "what DATABASE_URL says, and nothing says it yet"
    elif database.host:
        told = f"{database.kind} at `{database.host}`, and the machine has none"
    else:
        told = f"{database.kind} on the machine itself, and it has none"
    yield (
        f"{database.place}: the database is {told}: give DATABASE_URL in /etc/laurel/site.env when"
        " it boots (user-data), or add `export DATABASE_URL=...` to laurel.env; until then the"
        " site does not come up"
    )


def _layers(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Channel layers that can't work; of several, of which a condition picks one, all of them."""
    layers = project.candidates("CHANNEL_LAYERS")
    # Any other CHANNEL_LAYER replaces the project's layers.
    if given.get("CHANNEL_LAYER", "project") == "project":
        processes, server = given.get("PROCESSES", "auto"), given.get("HTTP_SERVER", "same")
        refusals = [
            (layer.refusal({"CHANNEL_LAYERS": backend}, processes, server), place)
            for value in layers
            for backend, place in _entries(value, "BACKEND")
        ]
        if refusals and all(refusal for refusal, _ in refusals):
            refusal, place = refusals[-1]
            yield f"{place}: {refusal}"
    if not given.get("REDIS_URL"):
        hosts = [(_host(text), place) for value in layers for text, place in _texts(value)]
        for host, place in _all_placeholders([(host, place) for host, place in hosts if host]):
            yield (
                f"{place}: the Redis host {host} is a placeholder: name a real one, or localhost"
                " for the machine's own"
            )


def _databases(project: Project, given: Mapping[str, str]) -> Iterator[str]:
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
    """The texts under `key` in the dictionaries of `value`, and where they stand."""
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
    """The texts of `value` that may name a host: no key, and no name of a variable."""
    others: set[int] = set()
    for node in ast.walk(value.node):
        if isinstance(node, ast.Dict):
            others |= {id(key) for key in node.keys}
        elif isinstance(node, ast.Call) and node.args:
            others.add(id(node.args[0]))
    for node in ast.walk(value.node):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in others
        ):
            yield node.value, Place(value.place.path, node.lineno)


def _host(text: str) -> str:
    found = _URL_HOST.match(text)
    if found:
        return found[1]
    return text if "." in text and "channels" not in text and "/" not in text else ""
