"""Read a project: `python3 -m project report|settings FOLDER NAME ...`, or `requirements FILE`,
which prints nothing for a file that uv reads itself.

NAMEs are Laurel's settings: those that the environment has need no search. Exit code 1 if the
project can't work.
"""

import argparse
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from project import checks
from project.findings import dependencies
from project.findings.dependencies import DependencyError
from project.findings.exports import exports
from project.findings.project import Project
from project.inspection import inspect
from project.overrides import overrides
from project.source.tree import InspectionError


def main() -> int:
    """Print what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="project", description=__doc__)
    parser.add_argument("what", choices=("report", "settings", "requirements"))
    parser.add_argument("path", type=Path)
    parser.add_argument("names", nargs="*")
    this = ".".join(platform.python_version_tuple()[:2])
    parser.add_argument("--python", default=this, help="the machine's version, such as 3.13")
    options = parser.parse_intermixed_args()
    given = {name: os.environ[name] for name in options.names if os.environ.get(name)}
    try:
        if options.what == "requirements":
            print(dependencies.requirements(options.path) or "", end="")
            return 0
        project = inspect(options.path.resolve(), given)
        python = _python(given, options.python)
        given = {**given, **exports(project.tree)}
        found = list(checks.problems(project, given, python))
    except (InspectionError, DependencyError) as error:
        found = [str(error)]
    except SyntaxError as error:
        found = [f"{error.filename}, line {error.lineno}: not Python: {error.msg}"]
    else:
        if options.what == "report":
            _report(project, given)
        elif not found:
            print(*(f"{one.name}={one.value}" for one in project.findings.found), sep="\n")
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


def _python(given: Mapping[str, str], of_system: str) -> str:
    """The version of Python that the project runs on."""
    chosen = given.get("SITE_PYTHON", "system")
    return of_system if chosen == "system" else chosen


def _report(project: Project, given: Mapping[str, str]) -> None:
    """Print all that was found: what is baked, what will be others on the machine, what to know."""
    print("Found")
    _table([(one.name, one.value, one.source) for one in project.findings.found])
    for name, command in project.processes.items():
        print(f"  process {name}: {command}")
    print("\nSettings of the project that are others on the machine (`laurel settings` shows them)")
    _table(list(overrides(project, given)))
    noted = list(checks.notes(project, given))
    if noted:
        print("\nTo know")
        print(*(f"  {note}" for note in noted), sep="\n")


def _table(rows: list[tuple[str, str, str]]) -> None:
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for row in rows:
        print(f"  {row[0]:<{first}}  {row[1]:<{second}}  {row[2]}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
