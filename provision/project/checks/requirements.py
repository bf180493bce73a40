"""Whether the requirements include Channels, and suit the machine's Python."""

from collections.abc import Iterator, Mapping

from packaging.version import Version

from project.findings import dependencies
from project.findings.dependencies import Package
from project.findings.project import Project
from project.findings.versions import allows_from, runs_on

# PEP 594 removed the module cgi from Python 3.13; Django 4.1 is the first that does not import it.
_PYTHON_WITHOUT_CGI = Version("3.13")
_DJANGO_WITHOUT_CGI = "4.1"


def problems(project: Project, python: str) -> Iterator[str]:
    """Requirements that cannot be installed, or that would not run, on the machine's `python`."""
    wanted = dependencies.python(project.tree, project.requirements)
    if python and wanted and not runs_on(wanted[0], python):
        yield (
            f"{wanted[1]}: the project wants Python {wanted[0]}, and the machine has {python}:"
            " choose another system with OS=, or another Python with SITE_PYTHON=version in"
            " laurel.env, or allow that version"
        )
    if python and Version(python) >= _PYTHON_WITHOUT_CGI:
        yield from _old_django(project.packages, python)
    if "channels" not in project.packages and not _imports(project, "channels"):
        yield (
            f"{project.tree.relative(project.requirements)} has no channels: this is not a Channels"
            " project; add channels>=4"
        )


def notes(project: Project) -> Iterator[str]:
    """What the requirements leave open."""
    versions = [package.specifiers for package in project.packages.values()]
    pinned = sum(any(one.operator == "==" for one in allowed) for allowed in versions)
    if pinned < len(versions):
        yield (
            f"{project.tree.relative(project.requirements)} pins {pinned} of"
            f" {len(versions)} packages: two bakes may differ; a lock file pins all of them"
        )


def _old_django(packages: Mapping[str, Package], python: str) -> Iterator[str]:
    django = packages.get("django")
    if (
        django
        and "legacy-cgi" not in packages
        and not allows_from(django.specifiers, _DJANGO_WITHOUT_CGI)
    ):
        yield (
            f"{django.place}: django{django.specifiers}: Django before 4.1 imports the module cgi,"
            f" which Python 3.13 removed, and the machine has {python}: choose OS=debian-12, or"
            " add SITE_PYTHON=3.10 to laurel.env, or move the project to django>=4.2"
        )


def _imports(project: Project, package: str) -> bool:
    imported = project.modules.imports(project.asgi_module)
    return any(name.partition(".")[0] == package for _, name in imported)
