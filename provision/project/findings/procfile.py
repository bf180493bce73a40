"""The Procfile of a project: the commands that its authors run it with."""

import os
from pathlib import Path

from laurel import procfile
from laurel.procfile import NOT_BESIDE

from project.findings.settled import Findings
from project.source.tree import InspectionError, Place, Tree


def settle(findings: Findings, tree: Tree, django_root: Path) -> dict[str, str]:
    """Settle PROCFILE and RELEASE_COMMAND; return the processes beside the site, name to command.

    Raises InspectionError for a line that is not one of a Procfile, and for a name that occurs
    twice.
    """
    file = _file(tree, django_root, findings.given.get("PROCFILE", ""))
    manage = os.path.relpath(django_root / "manage.py", file.parent) if file else "manage.py"
    release: tuple[str, str | Place] = f"python {manage} migrate --noinput", "as any project needs"
    processes: dict[str, str] = {}
    if file:
        for name, command, line in lines(tree, file):
            if name == "release":
                release = command, line
            elif name not in NOT_BESIDE:
                processes[name] = command
        findings.settle("PROCFILE", tree.relative(file).as_posix(), Place(tree.relative(file)))
    findings.settle("RELEASE_COMMAND", *release)
    return processes


def lines(tree: Tree, file: Path) -> list[tuple[str, str, Place]]:
    """The processes of the Procfile `file`: name, command, place. Raises InspectionError."""
    tree.text(file)  # refuses what is not UTF-8
    entries, problems = procfile.read(file)
    path = tree.relative(file)
    if problems:
        raise InspectionError("\n".join(f"{Place(path, line)}: {text}" for line, text in problems))
    return [(entry.name, entry.command, Place(path, entry.line)) for entry in entries]


def _file(tree: Tree, django_root: Path, given: str) -> Path | None:
    if given and not (tree.root / given).is_file():
        raise InspectionError(f"PROCFILE={given}: there is no such file in {tree.root}")
    names = [tree.root / given] if given else [tree.root / "Procfile", django_root / "Procfile"]
    return next((file for file in names if file.is_file()), None)
