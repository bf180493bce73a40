"""Whether the machine's own settings can come after the project's."""

import ast
from collections.abc import Iterator

from project.findings.entry import settings_assigned
from project.findings.project import Project


def problems(project: Project) -> Iterator[str]:
    """Settings that take no others after them."""
    yield from _assigned(project)
    yield from _in_a_class(project)


def _assigned(project: Project) -> Iterator[str]:
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


def _in_a_class(project: Project) -> Iterator[str]:
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
