"""What cannot work on the machine: each problem with its place and the line to change."""

from collections.abc import Iterator, Mapping

from project.checks import (
    application,
    drivers,
    migrations,
    procfile,
    requirements,
    servers,
    services,
    settings,
    variables,
)
from project.findings.project import Project


def problems(project: Project, given: Mapping[str, str], python: str) -> Iterator[str]:
    """What cannot work.

    `given` are the settings of the bake and the variables that laurel.env exports. `python` is
    the machine's version, such as "3.13"; empty if it is not known.
    """
    yield from requirements.problems(project, python)
    yield from settings.problems(project)
    yield from application.problems(project)
    yield from variables.problems(project, given)
    yield from services.problems(project, given)
    yield from drivers.problems(project, given)
    yield from migrations.problems(project)
    yield from procfile.problems(project)
    yield from servers.problems(project, given)


def notes(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """What may still work, or is only worth knowing."""
    yield from services.notes(project, given)
    yield from drivers.notes(project, given)
    yield from requirements.notes(project)
    yield from servers.notes(project, given)
    yield from procfile.notes(project.tree, project.findings.value("PROCFILE"))
