"""The folder of manage.py, the settings module, the ASGI and WSGI applications."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from project.findings.settled import where_given
from project.source import names, startup
from project.source.expressions import text
from project.source.modules import Modules, calls
from project.source.names import Value
from project.source.tree import InspectionError, Place, Tree

_FOR_DEVELOPMENT = ("local", "dev", "develop", "development", "debug", "test", "testing")
_FOR_PRODUCTION = ("production", "prod", "live", "deploy", "deployment")

Sourced = tuple[str, str | Place]  # a value, and where it comes from


def django_root(tree: Tree, given: str) -> tuple[Path, str | Place]:
    """The folder of manage.py; of several the shallowest."""
    if given:
        folder = Path(os.path.normpath(tree.root / given))
        if not (folder / "manage.py").is_file():
            raise InspectionError(f"DJANGO_ROOT={given} has no manage.py in {tree.root}")
        return folder, where_given(tree.root, "DJANGO_ROOT")
    found = [folder for folder in tree.folders() if (folder / "manage.py").is_file()]
    if not found:
        raise InspectionError(
            f"{tree.root} has no manage.py in any folder: name the folder of a Django project"
        )
    depth = len(found[0].parts)
    rivals = [folder for folder in found if len(folder.parts) == depth]
    if len(rivals) > 1:
        each = " and ".join(str(tree.relative(folder)) for folder in rivals)
        raise InspectionError(
            f"{each} each have a manage.py: add one of them to laurel.env:"
            f" DJANGO_ROOT={tree.relative(rivals[0])}"
        )
    return found[0], Place(tree.relative(found[0]) / "manage.py")


def settings_module(modules: Modules, given: str) -> Sourced:
    """The settings that asgi.py names, else wsgi.py, else manage.py."""
    module, place = (
        (given, where_given(modules.root, "SETTINGS_MODULE"))
        if given
        else _for_production(modules, *_settings_named(modules))
    )
    if modules.file(module) is None:
        root = modules.folder == modules.root
        below = "the project's root" if root else modules.folder.relative_to(modules.root)
        raise InspectionError(
            f"{place} names the settings {module}, and no such module is below"
            f" {below}: add SETTINGS_MODULE=package.settings to laurel.env"
        )
    return module, place


def _settings_named(modules: Modules) -> Sourced:
    folder = modules.folder
    for file in (*_near(folder, "asgi.py"), *_near(folder, "wsgi.py"), folder / "manage.py"):
        tree = modules.parse(file)
        offered = [
            (call.args[1], call)
            for call in calls(tree, "setdefault")
            if len(call.args) == 2 and text(call.args[0], {}) == "DJANGO_SETTINGS_MODULE"
        ]
        for value, node in [*offered, *((node.value, node) for node in settings_assigned(tree))]:
            module = text(value, {})
            if module:
                return module, modules.place(file, node)
    raise InspectionError(
        f"{modules.place(folder / 'manage.py')} does not say which settings it uses:"
        " add SETTINGS_MODULE=package.settings to laurel.env"
    )


def _for_production(modules: Modules, module: str, place: str | Place) -> Sourced:
    """The production settings beside `module`, if its name says that it is for development."""
    package, _, name = module.rpartition(".")
    if package and name in _FOR_DEVELOPMENT:
        for other in _FOR_PRODUCTION:
            file = modules.file(f"{package}.{other}")
            if file:
                return f"{package}.{other}", f"{modules.place(file)}; {place} names {module}"
    return module, place


def asgi_application(modules: Modules, settings: str, given: str) -> Sourced:
    """The ASGI application as module:attribute. Raises InspectionError if there is none."""
    if given:
        if not re.fullmatch(r"[\w.]+:[\w.]+", given):
            raise InspectionError(
                f"ASGI_APPLICATION={given} does not have the form module:attribute, such as"
                " mysite.asgi:application"
            )
        return given, where_given(modules.root, "ASGI_APPLICATION")
    named = names.value(modules, settings, "ASGI_APPLICATION")
    found = _application(modules, named, "asgi.py")
    if found and named and not _sets_django_up(modules, found[0]):
        # Channels 2 had the router in this setting, and asgi.py set Django up.
        other = _application(modules, None, "asgi.py")
        if other and _sets_django_up(modules, other[0]):
            return other
    if found:
        return found
    if named and isinstance(named.value, str):
        raise InspectionError(
            f"{named.place}: ASGI_APPLICATION is {named.value!r}, and there is no module"
            f" {named.value.rpartition('.')[0]}: add the file, or"
            " ASGI_APPLICATION=module:attribute to laurel.env"
        )
    package = settings.partition(".")[0]
    raise InspectionError(
        f"no asgi.py, and {settings} has no ASGI_APPLICATION: Channels is not"
        f" set up. Add {package}/asgi.py as in the Channels guide, and"
        f' ASGI_APPLICATION = "{package}.asgi.application" to the settings'
    )


def _sets_django_up(modules: Modules, application: str) -> bool:
    return startup.follow(modules, application.partition(":")[0]).set_up is not None


def wsgi_application(modules: Modules, settings: str) -> Sourced:
    """The WSGI application as module:attribute; empty if there is none."""
    named = names.value(modules, settings, "WSGI_APPLICATION")
    return _application(modules, named, "wsgi.py") or ("", "")


def _application(modules: Modules, named: Value | None, file: str) -> tuple[str, Place] | None:
    """The application that the settings name, else the one in the shallowest such file.

    Files that import Channels come first.
    """
    if named and isinstance(named.value, str):
        module, _, attribute = named.value.rpartition(".")
        return (f"{module}:{attribute}", named.place) if modules.file(module) else None

    def imports_channels(path: Path) -> bool:
        imported = (name for _, name in modules.imports(modules.name(path)))
        return any(name.partition(".")[0] == "channels" for name in imported)

    for path in sorted(_near(modules.folder, file), key=imports_channels, reverse=True):
        if names.value(modules, modules.name(path), "application"):
            return f"{modules.name(path)}:application", modules.place(path)
    return None


def _near(folder: Path, name: str) -> list[Path]:
    """The files with that name in the packages of `folder`, the shallowest first."""
    return [found / name for found in Tree(folder).folders() if (found / name).is_file()]


def settings_assigned(tree: ast.Module) -> Iterator[ast.Assign]:
    """The assignments of os.environ["DJANGO_SETTINGS_MODULE"] that always run.

    That is outside functions except main(), and under no condition, or in each of its branches.
    """

    def always(body: list[ast.stmt]) -> Iterator[ast.Assign]:
        for node in body:
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Subscript)
                and "DJANGO_SETTINGS_MODULE" in ast.unparse(target)
                for target in node.targets
            ):
                yield node
            elif isinstance(node, ast.If):
                first, other = list(always(node.body)), list(always(node.orelse))
                if (first and other) or "__name__" in ast.unparse(node.test):
                    yield from (*first, *other)
            elif isinstance(node, ast.With | ast.Try | ast.FunctionDef) and (
                getattr(node, "name", "main") == "main"
            ):
                yield from always(node.body)

    yield from always(tree.body)
