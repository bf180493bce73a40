"""The project's Python modules: their syntax trees and imports."""

import ast
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

from project.source.tree import Place, Tree

# Statements that contain statements.
COMPOUND = (ast.If, ast.Try, ast.ExceptHandler, ast.With, ast.For, ast.While)


class Modules:
    """The modules below `folder`, which is on Python's path when the project runs."""

    def __init__(self, tree: Tree, folder: Path) -> None:
        self.root = tree.root
        self._tree = tree
        self.folder = folder
        self._parsed: dict[Path, ast.Module] = {}

    def file(self, name: str) -> Path | None:
        """The file of the module `name`; None if the project has no such module."""
        path = self.folder.joinpath(*name.split("."))
        for found in (path.with_suffix(".py"), path / "__init__.py"):
            if found.is_file():
                return found
        return None

    def name(self, path: Path) -> str:
        """The name under which `path` is imported."""
        parts = path.relative_to(self.folder).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def place(self, path: Path, node: ast.AST | None = None) -> Place:
        """The place of `node` in `path`."""
        return Place(self._tree.relative(path), getattr(node, "lineno", 0))

    def parse(self, path: Path) -> ast.Module:
        """The syntax tree of `path`. Raises SyntaxError with the file and the line."""
        if path not in self._parsed:
            self._parsed[path] = ast.parse(path.read_bytes(), str(self._tree.relative(path)))
        return self._parsed[path]

    def taken_in(self, module: str) -> list[str]:
        """`module`, and the project's modules from which it imports all names (`import *`)."""
        return self._reached(
            module,
            lambda statement: (
                isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"
            ),
        )

    def reached(self, module: str) -> list[str]:
        """`module`, and the project's modules that it imports, directly or not."""
        return self._reached(module, lambda _: True)

    def _reached(self, start: str, follows: Callable[[ast.stmt], bool]) -> list[str]:
        """The modules reached through the imports that `follows` accepts, nearest first."""
        found: list[str] = []
        waiting = [start]
        while waiting:
            module = waiting.pop(0)
            if module in found or not self.file(module):
                continue
            found.append(module)
            waiting += [name for statement, name in self.imports(module) if follows(statement)]
        return found

    def absolute(self, statement: ast.ImportFrom, module: str, path: Path) -> str:
        """The full name of the module that `statement` of `module` imports from."""
        if not statement.level:
            return statement.module or ""
        parts = module.split(".")
        up = statement.level - (1 if path.name == "__init__.py" else 0)
        return ".".join([*parts[: len(parts) - up], *filter(None, [statement.module])])

    def imports(self, module: str) -> Iterator[tuple[ast.stmt, str]]:
        """The imports that run when `module` is imported, in order: statement and module name.

        `from a import b` gives `a`, and `a.b` if that is a module of the project.
        """
        path = self.file(module)
        if path is None:
            return
        for statement, _ in statements(self.parse(path).body):
            for name in self.imported(statement, module, path):
                yield statement, name

    def imported(self, statement: ast.stmt, module: str, path: Path) -> Iterator[str]:
        """The modules that `statement` of `module` imports."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.name
        elif isinstance(statement, ast.ImportFrom):
            source = self.absolute(statement, module, path)
            yield source
            for alias in statement.names:
                if self.file(f"{source}.{alias.name}"):
                    yield f"{source}.{alias.name}"


def with_packages(name: str) -> Iterator[str]:
    """The packages around the module `name`, outermost first, then `name`: Python's order."""
    return accumulate(name.split("."), "{}.{}".format)


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """The calls in `tree` of a function with one of `names`, in the order of the text."""
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in names
    ]
    yield from sorted(found, key=lambda node: (node.lineno, node.col_offset))


def called(node: ast.Call) -> str:
    """The last part of the name that `node` calls; empty if it does not call a name."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def statements(body: list[ast.stmt], conditional: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """The statements that may run on import, and whether a condition decides if they do."""
    for statement in body:
        yield statement, conditional
        if isinstance(statement, ast.If) and _is_for_type_checkers(statement.test):
            yield from statements(statement.orelse, conditional)
        elif isinstance(statement, COMPOUND):
            decided = conditional or not isinstance(statement, ast.With)
            for inner in ("body", "orelse", "handlers", "finalbody"):
                yield from statements(getattr(statement, inner, []), decided)


def _is_for_type_checkers(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
