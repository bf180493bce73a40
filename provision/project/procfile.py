"""The Procfile of a project: the commands that its authors run it with."""

import os
import re
from pathlib import Path

from project.findings import Findings
from project.tree import InspectionError, Place, Tree


def settle(findings: Findings, tree: Tree, django_root: Path) -> dict[str, str]:
    """Settle PROCFILE and RELEASE_COMMAND; return the processes beside the site, name to command.

    Raises InspectionError for a line that is none of a Procfile.
    """
    file = next(
        (folder / "Procfile" for folder in (tree.root, django_root) if _is_there(folder)), None
    )
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


def _is_there(folder: Path) -> bool:
    return (folder / "Procfile").is_file()


def _lines(tree: Tree, file: Path) -> list[tuple[str, str, Place]]:
    found = []
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        place = Place(tree.relative(file), number)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = re.fullmatch(r"([A-Za-z0-9_-]+):\s*(\S.*)", line.strip())
        if not parts:
            raise InspectionError(f"{place}: not `name: command`: {line.strip()}")
        found.append((parts[1], parts[2], place))
    return found
