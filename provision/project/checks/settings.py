"""Whether Laurel's settings can override the project's."""

import ast
from collections.abc import Iterator

from project.findings.entry import settings_assigned
from project.findings.project import Project


def problems(project: Project) -> Iterator[str]:
    """Settings that Laurel cannot override."""
    yield from _assigned(project)
    yield from _in_a_class(project)


def _assigned(project: Project) -> Iterator[str]:
    """A settings module that asgi.py or manage.py assigns instead of offering a default."""
    for module in (project.asgi_module, "manage"):
        file = project.modules.file(module)
        if file is None:
            continue
        for node in settings_assigned(project.modules.parse(file)):
            if "DJANGO_SETTINGS_MODULE" in ast.unparse(node.value):
                continue  # the value is the environment's, with a default
            yield (
                f"{project.modules.place(file, node)} assigns DJANGO_SETTINGS_MODULE and ignores"
                " the environment: write"
                f' os.environ.setdefault("DJANGO_SETTINGS_MODULE", {ast.unparse(node.value)})'
            )


def _in_a_class(project: Project) -> Iterator[str]:
    modules = project.modules
    for module in modules.taken_in(project.settings_module):
        file = modules.file(module)
        for statement, name in modules.imports(module) if file else ():
            if file and name.partition(".")[0] == "configurations":
                yield (
                    f"{modules.place(file, statement)}: the settings are in a class of"
                    " django-configurations, and Laurel overrides only those of a module:"
                    " name a module with plain settings, SETTINGS_MODULE=package.module, in"
                    " laurel.env"
                )
                return
