"""Whether the ASGI application can start, and can serve a page."""

import ast
from collections.abc import Iterator
from pathlib import Path

from packaging.specifiers import SpecifierSet

from project.findings.project import Project
from project.findings.versions import allows_from
from project.source import startup
from project.source.modules import calls


def problems(project: Project) -> Iterator[str]:
    """Why no process would start, or no process would serve a page."""
    file = project.modules.file(project.asgi_module)
    if file is None:
        return
    yield from _set_up_late(project, file)
    yield from _without_http(project, file)


def _set_up_late(project: Project, file: Path) -> Iterator[str]:
    """An asgi.py that needs Django before it is set up, or that never sets it up."""
    modules = project.modules
    found = startup.follow(modules, project.asgi_module, _texts(project))
    if found.set_up is None:
        yield (
            f"{modules.place(file)} never calls get_asgi_application(): nothing sets Django up."
            " Add `from django.core.asgi import get_asgi_application` and"
            " `django_asgi_app = get_asgi_application()` before the other imports"
        )
        return
    call = next((call for call in startup.calls_made(found.set_up) if startup.sets_up(call)), None)
    ready = call.lineno if call else found.set_up.lineno
    does = f"calls {ast.unparse(call.func)}()" if call else "sets Django up"
    reported: set[int] = set()
    for statement, way in found.early:
        line = statement.lineno
        if line not in reported:
            reported.add(line)
            yield (
                f"{modules.place(file, statement)} {', which '.join(way)}, before line {ready}"
                f" {does}: Django is not set up yet, and no process would start."
                f" Move line {line} below line {ready}"
            )


def _without_http(project: Project, file: Path) -> Iterator[str]:
    """Channels 4 serves no page by itself: Channels 3 did."""
    channels = project.packages.get("channels")
    if not allows_from(channels.specifiers if channels else SpecifierSet(), "4"):
        return
    for call in calls(project.modules.parse(file), "ProtocolTypeRouter"):
        routes = call.args[0] if call.args else None
        if not isinstance(routes, ast.Dict):
            continue
        keys = [key.value if isinstance(key, ast.Constant) else None for key in routes.keys]
        if "http" not in keys and None not in keys:
            yield (
                f'{project.modules.place(file, call)}: ProtocolTypeRouter has no "http", and'
                ' Channels 4 serves no page without it: add "http": get_asgi_application()'
            )


def _texts(project: Project) -> set[str]:
    """Every string in the settings: the names of the apps are among them."""
    return {
        node.value
        for module in project.modules.reached(project.settings_module)
        if (path := project.modules.file(module))
        for node in ast.walk(project.modules.parse(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
