"""Examines a project before it is baked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from laurel import choices
from laurel.schema import BAKED, SETTINGS

from project import checks, given
from project.findings.dependencies import DependencyError
from project.findings.project import Project
from project.given import Given, GivenError
from project.inspection import inspect
from project.overrides import overrides
from project.source.tree import InspectionError


@dataclass(frozen=True)
class Examination:
    """What a project is made of, and `problems`: one line for each thing that cannot work.

    `project` and `given` are None if a problem ended the examination early.
    """

    problems: list[str]
    project: Project | None = None
    given: Given | None = None
    settings: dict[str, str] = field(default_factory=dict)  # every baked one, by name

    def report(self) -> Iterator[str]:
        """The lines that `make inspect` prints."""
        if self.project is None or self.given is None:
            return
        yield "Found"
        found = self.project.findings.found
        yield from _table([(one.name, one.value, one.source) for one in found])
        for name, command in self.project.processes.items():
            yield f"  process {name}: {command}"
        yield "\nSettings that Laurel overrides on the machine (`laurel settings` shows them)"
        variables = {**self.given.values, **self.given.exports}
        yield from _table(list(overrides(self.project, variables)))
        notes = [*checks.notes(self.project, variables), *choices.warnings(self.settings)]
        if notes:
            yield "\nNotes"
            yield from (f"  {note}" for note in notes)


def examine(
    root: Path, environ: Mapping[str, str], python: str, settings_env: Path | None = None
) -> Examination:
    """Examine the project at `root`; see given.read for `environ` and `settings_env`.

    `python` is the version of the machine's own Python, such as "3.13".
    """
    try:
        wanted = given.read(root, environ, settings_env)
        project = inspect(root, wanted.values)
        settings = {name: SETTINGS[name].default for name in BAKED}
        settings |= {one.name: one.value for one in project.findings.found}
        version = settings["SITE_PYTHON"]
        variables = {**wanted.values, **wanted.exports}
        problems = list(
            checks.problems(project, variables, python if version == "system" else version)
        )
    except (GivenError, InspectionError, DependencyError) as error:
        return Examination(str(error).splitlines())
    except SyntaxError as error:
        return Examination([f"{error.filename}, line {error.lineno}: not Python: {error.msg}"])
    problems += [
        f"{SETTINGS[one.name].shown(settings[one.name])}: {one.reason}"
        for one in choices.conflicts(settings)
    ]
    problems += _unusable(project)
    return Examination(problems, project, wanted, settings)


def _unusable(project: Project) -> Iterator[str]:
    """The values found in the project that a machine cannot use."""
    for one in project.findings.found:
        for part, reason in SETTINGS[one.name].problems(one.value):
            yield f"{one.source}: {SETTINGS[one.name].shown(part)}: {reason}"


def _table(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for row in rows:
        yield f"  {row[0]:<{first}}  {row[1]:<{second}}  {row[2]}".rstrip()
