"""What importing a module runs, in Python's order: whether Django is set up when it is needed."""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from project.source.modules import COMPOUND, Modules, called, statements

_SETS_UP = ("get_asgi_application", "get_wsgi_application")


@dataclass
class Start:
    """What becomes of the import of a module.

    `set_up` is its statement by which Django is set up, there or in what that imports; `early` are
    its statements before that which need Django set up, each with the way to what needs it.
    """

    set_up: ast.stmt | None = None
    early: list[tuple[ast.stmt, tuple[str, ...]]] = field(default_factory=list)


@dataclass(frozen=True)
class _Event:
    """Django is set up, or needed (`needs`), by `statement`, by `way` of what it imports."""

    statement: ast.stmt
    way: tuple[str, ...]
    needs: bool


def follow(modules: Modules, module: str, installed: Collection[str] = ()) -> Start:
    """Go through the import of `module`; `installed` are names of apps, among others."""
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
    """What the import of `module` does, in order; `seen` are modules that are imported already."""
    path = modules.file(module)
    if path is None:
        return
    for statement, _ in statements(modules.parse(path).body):
        for imported in modules.imported(statement, module, path):
            for name in _with_packages(imported):
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


def _with_packages(name: str) -> Iterator[str]:
    """`name`, after the packages around it: Python imports them first."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def _holds_models(modules: Modules, name: str, installed: Collection[str]) -> bool:
    """Whether importing `name` makes models: of the project, or of a package that is installed."""
    app, models, _ = name.partition(".models")
    if not models:
        return False
    path = modules.file(name)
    if path is None:
        return app in installed or app.startswith("django.contrib.")
    tree = modules.parse(path)
    return any(
        isinstance(node, ast.Import | ast.ImportFrom) and "django" in ast.unparse(node)
        for node, _ in statements(tree.body)
    )


def sets_up(call: ast.Call) -> bool:
    """Whether `call` sets Django up."""
    return called(call) in _SETS_UP or ast.unparse(call.func) in ("django.setup", "setup")


def calls_made(statement: ast.stmt) -> Iterator[ast.Call]:
    """The calls that run when `statement` does: none in a function, nor in another statement of
    those that `statements` gives by themselves."""
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
