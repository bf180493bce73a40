"""What importing a module runs, in order: what sets Django up, and what needs that earlier."""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from project.source.modules import COMPOUND, Modules, called, statements, with_packages

_SETS_UP = ("get_asgi_application", "get_wsgi_application")


@dataclass
class Start:
    """The import of a module.

    `set_up` is the statement that sets Django up, itself or by what it imports. `early` are the
    statements before it that need Django, each with the chain of imports that leads to the need.
    """

    set_up: ast.stmt | None = None
    early: list[tuple[ast.stmt, tuple[str, ...]]] = field(default_factory=list)


@dataclass(frozen=True)
class _Event:
    """`statement` sets Django up or needs it (`needs`), through the chain of imports `way`."""

    statement: ast.stmt
    way: tuple[str, ...]
    needs: bool


def follow(modules: Modules, module: str, installed: Collection[str] = ()) -> Start:
    """Follow the import of `module`; `installed` contains the names of the installed apps."""
    found = Start()
    for event in _events(modules, module, installed, {module}):
        if not event.needs:
            found.set_up = event.statement
            break
        found.early.append((event.statement, event.way))
    return found


def _events(
    modules: Modules, module: str, installed: Collection[str], seen: set[str]
) -> Iterator[_Event]:
    """The events of importing `module`, in order; `seen` are the modules imported before."""
    path = modules.file(module)
    if path is None:
        return
    for statement, _ in statements(modules.parse(path).body):
        for imported in modules.imported(statement, module, path):
            for name in with_packages(imported):
                if name in seen:
                    continue
                seen.add(name)
                way = f"imports {name}"
                if _holds_models(modules, name, installed):
                    yield _Event(statement, (way,), needs=True)
                for event in _events(modules, name, installed, seen):
                    yield _Event(statement, (way, *event.way), event.needs)
        for call in calls_made(statement):
            if sets_up(call):
                yield _Event(statement, (), needs=False)
            elif called(call) == "get_user_model":
                yield _Event(statement, ("calls get_user_model()",), needs=True)


def _holds_models(modules: Modules, name: str, installed: Collection[str]) -> bool:
    """Whether importing `name` defines models, of the project or of an installed app."""
    app, models, _ = name.partition(".models")
    if not models:
        return False
    path = modules.file(name)
    if path is None:
        return app in installed or app.startswith("django.contrib.")
    return any(
        isinstance(node, ast.Import | ast.ImportFrom) and "django" in ast.unparse(node)
        for node, _ in statements(modules.parse(path).body)
    )


def sets_up(call: ast.Call) -> bool:
    """Whether `call` sets Django up."""
    return called(call) in _SETS_UP or ast.unparse(call.func) in ("django.setup", "setup")


def calls_made(statement: ast.stmt) -> Iterator[ast.Call]:
    """The calls that `statement` runs, without those in functions and in inner statements."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        by_itself = isinstance(node, COMPOUND)
        waiting += [
            child
            for child in ast.iter_child_nodes(node)
            if not (by_itself and isinstance(child, ast.stmt | ast.ExceptHandler))
        ]
