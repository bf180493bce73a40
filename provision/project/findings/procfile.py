"""The Procfile of a project: the commands that its authors run it with."""

import os
import re
from pathlib import Path

from project.findings.settled import Findings
from project.source.tree import InspectionError, Place, Tree


def settle(findings: Findings, tree: Tree, django_root: Path) -> dict[str, str]:
    """Settle PROCFILE and RELEASE_COMMAND; return the processes beside the site, name to command.

    Raises InspectionError for a line that is none of a Procfile, and for a name that has two.
    """
    file = _file(tree, django_root, findings.given.get("PROCFILE", ""))
    manage = os.path.relpath(django_root / "manage.py", file.parent) if file else "manage.py"
    release: tuple[str, str | Place] = f"python {manage} migrate --noinput", "as any project needs"
    processes: dict[str, str] = {}
    if file:
        for name, command, line in lines(tree, file):
            if name == "release":
                release = command, line
            elif name != "web":  # Laurel serves the site itself
                processes[name] = command
        findings.settle("PROCFILE", tree.relative(file).as_posix(), Place(tree.relative(file)))
    findings.settle("RELEASE_COMMAND", *release)
    return processes


def lines(tree: Tree, file: Path) -> list[tuple[str, str, Place]]:
    """The processes of the Procfile `file`: name, command, and where it stands.

    Raises InspectionError.
    """
    found: list[tuple[str, str, Place]] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        place = Place(tree.relative(file), number)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = re.fullmatch(r"([A-Za-z0-9_-]+):\s*(\S.*)", line.strip())
        if not parts:
            raise InspectionError(f"{place}: not `name: command`: {line.strip()}")
        if parts[1] in seen:
            raise InspectionError(
                f"{place}: line {seen[parts[1]]} has a process `{parts[1]}` too: give one of them"
                " another name"
            )
        seen[parts[1]] = number
        found.append((parts[1], parts[2], place))
    return found


def _file(tree: Tree, django_root: Path, given: str) -> Path | None:
    if given and not (tree.root / given).is_file():
        raise InspectionError(f"PROCFILE={given}: there is no such file in {tree.root}")
    names = [tree.root / given] if given else [tree.root / "Procfile", django_root / "Procfile"]
    return next((file for file in names if file.is_file()), None)
