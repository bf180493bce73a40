"""The Procfile of a project: the commands that its authors run it with."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from project.findings import Findings
from project.tree import InspectionError, Place, Tree

# What serves a site, with or without its path, or as Python's -m names it.
_SERVER = re.compile(r"(?:^|[\s/])(daphne|uvicorn|gunicorn|hypercorn|runserver)(?=\s|$)")


def settle(findings: Findings, tree: Tree, django_root: Path) -> dict[str, str]:
    """Settle PROCFILE and RELEASE_COMMAND; return the processes beside the site, name to command.

    Raises InspectionError for a line that is none of a Procfile, and for a name that has two.
    """
    file = _file(tree, django_root, findings.given.get("PROCFILE", ""))
    manage = os.path.relpath(django_root / "manage.py", file.parent) if file else "manage.py"
    release: tuple[str, str | Place] = f"python {manage} migrate --noinput", "as any project needs"
    processes: dict[str, str] = {}
    if file:
        for name, command, line in _lines(tree, file):
            if name == "release":
                release = command, line
            elif name != "web":  # Laurel serves the site itself
                processes[name] = command
        findings.settle("PROCFILE", tree.relative(file).as_posix(), Place(tree.relative(file)))
    findings.settle("RELEASE_COMMAND", *release)
    return processes


def notes(tree: Tree, name: str) -> Iterator[str]:
    """What is worth knowing of the Procfile `name`, and no fault; "" is none."""
    lines = _lines(tree, tree.root / name) if name else []
    has_web = any(process == "web" for process, _, _ in lines)
    way = "name a Procfile without it in laurel.env, PROCFILE=file," if has_web else "call it `web`"
    for process, command, place in lines:
        server = _SERVER.search(command)
        if server and process not in ("web", "release"):
            yield (
                f"{place}: `{server[1]}` looks like the site's server, which Laurel runs itself:"
                f" {process} is started beside it; {way} to leave it out"
            )


def _file(tree: Tree, django_root: Path, given: str) -> Path | None:
    if given and not (tree.root / given).is_file():
        raise InspectionError(f"PROCFILE={given}: there is no such file in {tree.root}")
    names = [tree.root / given] if given else [tree.root / "Procfile", django_root / "Procfile"]
    return next((file for file in names if file.is_file()), None)


def _lines(tree: Tree, file: Path) -> list[tuple[str, str, Place]]:
    found: list[tuple[str, str, Place]] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        place = Place(tree.relative(file), number)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = re.fullmatch(r"([A-Za-z0-9_-]+):\s*(\S.*)", line.strip())
        if not parts:
            raise InspectionError(f"{place}: not `name: command`: {line.strip()}")
        if parts[1] in lines:
            raise InspectionError(
                f"{place}: line {lines[parts[1]]} has a process `{parts[1]}` too: give one of them"
                " another name"
            )
        lines[parts[1]] = number
        found.append((parts[1], parts[2], place))
    return found
