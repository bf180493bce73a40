"""Python modules, read and not run: what they assign, and what they import in which order."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project.source.tree import Place, Tree

# Statements that are made of others.
COMPOUND = (ast.If, ast.Try, ast.ExceptHandler, ast.With, ast.For, ast.While)
UNKNOWN = object()  # a value that only running the module would tell


@dataclass(frozen=True)
class Value:
    """What a module assigns to a name, and where. `value` is UNKNOWN unless it is a literal."""

    value: Any
    node: ast.expr
    place: Place


class Modules:
    """The modules below `folder`, which is on Python's path when the project runs."""

    def __init__(self, tree: Tree, folder: Path) -> None:
        self.root = tree.root
        self._tree = tree
        self.folder = folder
        self._parsed: dict[Path, ast.Module] = {}

    def file(self, name: str) -> Path | None:
        """The file of the module `name`; None if it is not one of the project."""
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
        """Where `node` stands in `path`."""
        return Place(self._tree.relative(path), getattr(node, "lineno", 0))

    def parse(self, path: Path) -> ast.Module:
        """The syntax tree of `path`. Raises SyntaxError, which names the file and the line."""
        if path not in self._parsed:
            self._parsed[path] = ast.parse(path.read_bytes(), str(self._tree.relative(path)))
        return self._parsed[path]

    def assigned(self, module: str, name: str) -> Value | None:
        """What `module` assigns to `name` last, also through `from other import *`."""
        values = self.candidates(module, name)
        return values[-1] if values else None

    def candidates(self, module: str, name: str, seen: frozenset[str] = frozenset()) -> list[Value]:
        """All that `name` of `module` may be: several values where conditions decide."""
        path = self.file(module)
        if path is None or module in seen:
            return []
        found: list[Value] = []
        for statement, conditional in statements(self.parse(path).body):
            values = []
            if isinstance(statement, ast.ImportFrom):
                taken = {alias.asname or alias.name: alias.name for alias in statement.names}
                if "*" in taken or name in taken:
                    source = self.absolute(statement, module, path)
                    values = self.candidates(source, taken.get(name, name), seen | {module})
            elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
                targets = (
                    statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                )
                if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                    place = self.place(path, statement)
                    values = [Value(literal(statement.value), statement.value, place)]
            if values:
                found = [*found, *values] if conditional else values
        return found

    def taken_in(self, module: str) -> list[str]:
        """`module`, and the project's modules from which it takes all names (`import *`)."""
        return self._reached(
            module,
            lambda statement: (
                isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"
            ),
        )

    def reached(self, module: str) -> list[str]:
        """`module`, and the project's modules that importing it imports."""
        return self._reached(module, lambda _: True)

    def _reached(self, start: str, follows: Callable[[ast.stmt], bool]) -> list[str]:
        """The project's modules to which the imports lead that `follows` accepts, nearest first."""
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
        """The module that `statement` of `module` imports from, by its whole name."""
        if not statement.level:
            return statement.module or ""
        parts = module.split(".")
        up = statement.level - (1 if path.name == "__init__.py" else 0)
        return ".".join([*parts[: len(parts) - up], *filter(None, [statement.module])])

    def imports(self, module: str) -> Iterator[tuple[ast.stmt, str]]:
        """What `module` imports when it is imported, in order: the statement, a module's name.

        `from a import b` gives `a`, and `a.b` if that is a module of the project.
        """
        path = self.file(module)
        if path is None:
            return
        for statement, _ in statements(self.parse(path).body):
            for name in self.imported(statement, module, path):
                yield statement, name

    def imported(self, statement: ast.stmt, module: str, path: Path) -> Iterator[str]:
        """The modules that `statement` of `module` imports; none, if it is another statement."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.name
        elif isinstance(statement, ast.ImportFrom):
            source = self.absolute(statement, module, path)
            yield source
            for alias in statement.names:
                if self.file(f"{source}.{alias.name}"):
                    yield f"{source}.{alias.name}"


def literal(node: ast.expr) -> Any:
    """The value of a literal, UNKNOWN for anything else."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """The calls in `tree` of a function with one of `names`, in the order of the text."""
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in names
    ]
    yield from sorted(found, key=lambda node: (node.lineno, node.col_offset))


def called(node: ast.Call) -> str:
    """The last part of the name that `node` calls; empty for anything but a name."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def statements(body: list[ast.stmt], conditional: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """The statements that run on import, and whether a condition decides if they do."""
    for statement in body:
        yield statement, conditional
        if isinstance(statement, ast.If) and _for_types_alone(statement.test):
            yield from statements(statement.orelse, conditional)
        elif isinstance(statement, COMPOUND):
            decided = conditional or not isinstance(statement, ast.With)
            for inner in ("body", "orelse", "handlers", "finalbody"):
                yield from statements(getattr(statement, inner, []), decided)


def _for_types_alone(test: ast.expr) -> bool:
    """Whether only a type checker goes that way."""
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
