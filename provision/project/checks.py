"""What about a project can't work on the machine: each with its place and the line to change."""

import ast
from collections.abc import Iterator, Mapping

from project import application, dependencies, drivers, migrations, services, variables
from project.inspection import Project
from project.modules import settings_assigned


def problems(project: Project, given: Mapping[str, str], python: str) -> Iterator[str]:
    """What can't work; `python` is the machine's version, such as "3.13", empty if not known."""
    yield from _python(project, python)
    yield from _channels(project)
    yield from _settings_assigned(project)
    yield from _settings_in_a_class(project)
    yield from application.problems(project)
    yield from variables.problems(project, given)
    yield from services.problems(project, given)
    yield from drivers.problems(project, given)
    yield from migrations.problems(project)
    if "asgi" in project.processes:
        yield (
            f"{project.findings.value('PROCFILE')}: `asgi` is the name of the site's own processes:"
            " give that one another name, or call it `web` if it serves the site"
        )


def notes(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """What is worth knowing and no fault; `given` as for `problems`."""
    yield from services.notes(project, given)
    yield from drivers.notes(project, given)
    if "daphne" not in project.packages:
        yield "daphne is not among the requirements: the newest one is installed beside them"
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
    old = dependencies.old_django(project.packages, python)
    if old:
        yield old


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


def _settings_assigned(project: Project) -> Iterator[str]:
    """A settings module that is assigned and not only offered: ours could not come before it."""
    for module in (project.asgi_module, "manage"):
        file = project.modules.file(module)
        if file is None:
            continue
        for node in settings_assigned(project.modules.parse(file)):
            if "DJANGO_SETTINGS_MODULE" in ast.unparse(node.value):
                continue  # it is what the environment says, where that says anything
            yield (
                f"{project.modules.place(file, node)} assigns DJANGO_SETTINGS_MODULE, whatever the"
                " environment says: write"
                f' os.environ.setdefault("DJANGO_SETTINGS_MODULE", {ast.unparse(node.value)})'
            )


def _settings_in_a_class(project: Project) -> Iterator[str]:
    """Settings that are no module's names: ours could not come after them."""
    modules = project.modules
    for module in modules.taken_in(project.settings_module):
        file = modules.file(module)
        for statement, name in modules.imports(module) if file else ():
            if file and name.partition(".")[0] == "configurations":
                yield (
                    f"{modules.place(file, statement)}: the settings are in a class of"
                    " django-configurations, and the machine's own come after those of a module:"
                    " name one with plain settings, SETTINGS_MODULE=package.module in laurel.env"
                )
                return
