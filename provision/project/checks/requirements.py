"""Whether the requirements make a Channels project, and fit the machine's Python."""

from collections.abc import Iterator, Mapping

from project.findings import dependencies
from project.findings.dependencies import Package
from project.findings.project import Project
from project.findings.versions import end_before, numbers

# The first Django that does without the standard library's cgi, and the first Python that has none
# (PEP 594).
_DJANGO_WITHOUT_CGI, _PYTHON_WITHOUT_CGI = (4, 1), (3, 13)


def problems(project: Project, python: str) -> Iterator[str]:
    """What can't be installed, or would not run; `python` as for all checks."""
    yield from _python(project, python)
    yield from _channels(project)


def notes(project: Project) -> Iterator[str]:
    """What the requirements leave open."""
    pinned = [one for one in project.packages.values() if one.specifiers.startswith("==")]
    if len(pinned) < len(project.packages):
        yield (
            f"{project.tree.relative(project.requirements)} pins {len(pinned)} of"
            f" {len(project.packages)} packages: two bakes may differ; a lock file would say"
            " what was meant"
        )


def _python(project: Project, python: str) -> Iterator[str]:
    wanted = dependencies.python(project.tree, project.requirements)
    if python and wanted and not dependencies.runs_on(wanted[0], python):
        yield (
            f"{wanted[1]}: the project wants Python {wanted[0]}, and the machine has {python}:"
            " choose another system with OS=, or another Python with SITE_PYTHON=version in"
            " laurel.env, or allow that version"
        )
    old = _old_django(project.packages, python)
    if old:
        yield old


def _old_django(found: Mapping[str, Package], version: str) -> str:
    """What there is to say of a Django that Python `version` is too new for; empty for others."""
    django = found.get("django")
    if (
        django is None
        or "legacy-cgi" in found
        or numbers(version) < _PYTHON_WITHOUT_CGI
        or not end_before(django.specifiers, _DJANGO_WITHOUT_CGI)
    ):
        return ""
    return (
        f"{django.place}: django{django.specifiers}: Django before 4.1 imports the module cgi,"
        f" which is gone since Python 3.13, and the machine has {version}: choose OS=debian-12, or"
        " add SITE_PYTHON=3.10 to laurel.env, or move the project to django>=4.2"
    )


def _channels(project: Project) -> Iterator[str]:
    if "channels" not in project.packages and not _mentions(project, "channels"):
        yield (
            f"{project.tree.relative(project.requirements)} has no channels: this is no Channels"
            " project; add channels>=4"
        )


def _mentions(project: Project, package: str) -> bool:
    return any(
        name.split(".")[0] == package for _, name in project.modules.imports(project.asgi_module)
    )
