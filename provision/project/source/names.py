"""What a name stands for where it is used, followed through assignments and imports."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from project.source.modules import Modules, statements

_END = sys.maxsize  # below every line


@dataclass(frozen=True)
class Term:
    """An expression of `module`; its names mean what is assigned to them above `line`.

    `certain` is false where a condition decides whether it counts. `seen` are the names that led
    to it: one that stands for itself ends there.
    """

    module: str
    node: ast.expr
    line: int = _END
    certain: bool = True
    seen: frozenset[tuple[str, str, int]] = frozenset()

    def at(self, node: ast.expr) -> "Term":
        """A part of it."""
        return replace(self, node=node)

    def within(self, module: str) -> "Term":
        """The same among the names of another module."""
        return replace(self, module=module, line=_END)


def meant(modules: Modules, term: Term) -> list[Term]:
    """What the name that `term` is stands for: what is assigned to it, and what is added."""
    if isinstance(term.node, ast.Name):
        return assigned(modules, term, term.node.id)
    if isinstance(term.node, ast.Attribute):
        owner = module_named(modules, term.at(term.node.value))
        return assigned(modules, term.within(owner), term.node.attr) if owner else []
    return []


def assigned(modules: Modules, term: Term, name: str) -> list[Term]:
    """What `name` stands for where `term` does; several terms are one after the other."""
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
        if terms and not conditional and not isinstance(statement, ast.AugAssign):
            found = []
        found += terms
    return found


def module_named(modules: Modules, term: Term) -> str:
    """The project's module that the name `term` is; empty if it is none."""
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
    """What `statement` gives `name`."""
    if isinstance(statement, ast.ImportFrom):
        path = modules.file(term.module)
        taken = {alias.asname or alias.name: alias.name for alias in statement.names}
        if path and (name in taken or "*" in taken):
            source = modules.absolute(statement, term.module, path)
            return assigned(modules, term.within(source), taken.get(name, name))
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    else:
        return []
    is_named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
    return [term.at(statement.value)] if is_named and statement.value else []


def _bound(modules: Modules, module: str, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """The names that an import of `module` binds, and the whole names that they stand for."""
    path = modules.file(module)
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            first = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (first, first)
    elif isinstance(statement, ast.ImportFrom) and path:
        source = modules.absolute(statement, module, path)
        for alias in statement.names:
            yield alias.asname or alias.name, f"{source}.{alias.name}".lstrip(".")
