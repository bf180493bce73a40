"""Whether the project's requirements suit the chosen servers."""

from collections.abc import Iterator, Mapping

from laurel import servers

from project.findings.project import Project
from project.findings.versions import allows_from


def problems(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Servers whose required version lacks the options that Laurel starts them with."""
    for name in _chosen(given):
        package = project.packages.get(name)
        since = servers.read(name).since
        if package and not allows_from(package.specifiers, since):
            yield (
                f"{package.place}: {name}{package.specifiers} lacks the options that Laurel starts"
                f" it with, which came with {since}: require that version, or choose another server"
            )


def notes(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Servers that are not among the requirements."""
    for name in _chosen(given):
        if name not in project.packages:
            yield f"{name} is not in the requirements: Laurel installs its newest version"


def _chosen(given: Mapping[str, str]) -> list[str]:
    chosen = (given.get("ASGI_SERVER", "daphne"), given.get("HTTP_SERVER", "same"))
    return [name for name in chosen if name != "same"]
