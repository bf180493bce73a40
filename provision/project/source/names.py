"""The values of names, followed through assignments and imports."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from project.source.modules import Modules, called, statements
from project.source.tree import Place

UNKNOWN = object()  # a value that is known only when the module runs
_END = sys.maxsize  # below every line
# Functions that return the items of their arguments; i18n_patterns() adds a redirect.
_WRAPPERS = ("i18n_patterns", "format_suffix_patterns", "list", "tuple", "chain")


@dataclass(frozen=True)
class Value:
    """What a module assigns to a name, and where. `value` is UNKNOWN unless it is a literal."""

    value: Any
    node: ast.expr
    place: Place


@dataclass(frozen=True)
class Term:
    """An expression of `module`; its names have the values assigned above `line`.

    `certain` is false where a condition decides whether the expression counts. `adds` is true for
    what `+=` or `append` adds to the value before. `seen` are the names that led here: they end
    the search of a name that is defined by itself.
    """

    module: str
    node: ast.expr
    line: int = _END
    certain: bool = True
    adds: bool = False
    seen: frozenset[tuple[str, str, int]] = frozenset()

    def at(self, node: ast.expr) -> "Term":
        """A part of the expression."""
        return replace(self, node=node)

    def within(self, module: str) -> "Term":
        """The same expression among the names of another module."""
        return replace(self, module=module, line=_END)


def candidates(modules: Modules, module: str, name: str) -> list[Value]:
    """The values that `name` of `module` may have: several where conditions decide."""
    return [
        Value(literal(term.node), term.node, Place(modules.place(path).path, term.line))
        for term in assigned(modules, Term(module, ast.Name(name)), name)
        if not term.adds and (path := modules.file(term.module))
    ]


def value(modules: Modules, module: str, name: str) -> Value | None:
    """The last value that `module` assigns to `name`, also through `from other import *`."""
    values = candidates(modules, module, name)
    return values[-1] if values else None


def literal(node: ast.expr) -> Any:
    """The value of a literal, UNKNOWN for anything else."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN


def elements(modules: Modules, term: Term) -> Iterator[Term]:
    """The elements of the list `term`, in order, however it is put together.

    A part that is not understood is an element itself.
    """
    node = term.node
    meanings = meant(modules, term)
    parts: list[ast.expr]
    match node:
        case ast.Name() | ast.Attribute() if meanings:
            for meaning in meanings:
                yield from elements(modules, meaning)
            return
        case ast.List() | ast.Tuple():
            parts = node.elts
        case ast.Starred():
            parts = [node.value]
        case ast.BinOp(op=ast.Add()):
            parts = [node.left, node.right]
        case ast.IfExp():
            term = replace(term, certain=False)
            parts = [node.body, node.orelse]
        case ast.Call() if called(node) in _WRAPPERS:
            parts = node.args
        case _:
            yield term
            return
    for part in parts:
        yield from elements(modules, term.at(part))


def meant(modules: Modules, term: Term) -> list[Term]:
    """The values of `term` if it is a name: what is assigned to it, and what is added."""
    if isinstance(term.node, ast.Name):
        return assigned(modules, term, term.node.id)
    if isinstance(term.node, ast.Attribute):
        owner = module_named(modules, term.at(term.node.value))
        return assigned(modules, term.within(owner), term.node.attr) if owner else []
    return []


def assigned(modules: Modules, term: Term, name: str) -> list[Term]:
    """The values of `name` at the place of `term`, in order."""
    path = modules.file(term.module)
    step = (term.module, name, term.line)
    if path is None or step in term.seen:
        return []
    found: list[Term] = []
    for statement, conditional in statements(modules.parse(path).body):
        if statement.lineno >= term.line:
            break
        here = replace(
            term,
            line=statement.lineno,
            certain=term.certain and not conditional,
            seen=term.seen | {step},
        )
        terms = _given(modules, here, statement, name)
        if not conditional and not all(one.adds for one in terms):
            found = []
        found += terms
    return found


def module_named(modules: Modules, term: Term) -> str:
    """The project's module that the name `term` refers to; empty if there is none."""
    name = ast.unparse(term.node)
    path = modules.file(term.module)
    for statement, _ in statements(modules.parse(path).body) if path else ():
        for bound, target in _bound(modules, term.module, statement):
            if f"{name}.".startswith(f"{bound}."):
                module = target + name.removeprefix(bound)
                if modules.file(module):
                    return module
    return ""


def _given(modules: Modules, term: Term, statement: ast.stmt, name: str) -> list[Term]:
    """The values that `statement` assigns or adds to `name`."""
    targets: list[ast.expr] = []
    new: ast.expr | None = None
    match statement:
        case ast.ImportFrom():
            path = modules.file(term.module)
            taken = {alias.asname or alias.name: alias.name for alias in statement.names}
            if path and (name in taken or "*" in taken):
                source = modules.absolute(statement, term.module, path)
                return assigned(modules, term.within(source), taken.get(name, name))
        case ast.Assign():
            targets, new = statement.targets, statement.value
        case ast.AnnAssign() | ast.AugAssign():
            targets, new = [statement.target], statement.value
        case ast.Expr(
            ast.Call(
                func=ast.Attribute(value=target, attr="append" | "insert" | "extend"),
                args=[*_, argument],
            )
        ):
            targets, new = [target], argument
    if new and any(isinstance(target, ast.Name) and target.id == name for target in targets):
        return [replace(term, node=new, adds=isinstance(statement, ast.AugAssign | ast.Expr))]
    return []


def _bound(modules: Modules, module: str, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """The names that an import of `module` binds, and the full names that they stand for."""
    path = modules.file(module)
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            first = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (first, first)
    elif isinstance(statement, ast.ImportFrom) and path:
        source = modules.absolute(statement, module, path)
        for alias in statement.names:
            yield alias.asname or alias.name, f"{source}.{alias.name}".lstrip(".")
