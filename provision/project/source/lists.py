"""Lists of texts that settings put together (A + B, +=, [*A, *B]): read, and not run."""

import ast

from project.source.modules import Modules, called, statements

Texts = tuple[str, ...]


def listed(modules: Modules, module: str, name: str) -> Texts | None:
    """What the list `name` of `module` holds in any case; None if only running would tell.

    What a condition adds is left out.
    """
    return _Lists(modules).of(module).get(name)


class _Lists:
    """The lists of modules, each read once."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._known: dict[str, dict[str, Texts | None]] = {}

    def of(self, module: str) -> dict[str, Texts | None]:
        """The lists of `module` by their names; None for a name that is anything else."""
        file = self._modules.file(module)
        if module in self._known or file is None:
            return self._known.get(module, {})
        known = self._known[module] = {}
        for statement, conditional in statements(self._modules.parse(file).body):
            if isinstance(statement, ast.ImportFrom):
                source = self._modules.absolute(statement, module, file)
                new = _imported(statement, self.of(source))
            else:
                new = _changed(statement, known, conditional)
            for name, texts in new.items():
                old = known.get(name, texts)
                known[name] = _both(old, texts) if conditional else texts
        return known


def _imported(
    statement: ast.ImportFrom, theirs: dict[str, Texts | None]
) -> dict[str, Texts | None]:
    if statement.names[0].name == "*":
        return theirs
    return {
        alias.asname or alias.name: theirs[alias.name]
        for alias in statement.names
        if alias.name in theirs
    }


def _changed(
    statement: ast.stmt, known: dict[str, Texts | None], conditional: bool
) -> dict[str, Texts | None]:
    """The lists that `statement` makes or changes."""
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        texts = _texts(statement.value, known)
        return {target.id: texts for target in targets if isinstance(target, ast.Name)}
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        if conditional:
            return {}
        return {
            statement.target.id: _sum(
                known.get(statement.target.id), _texts(statement.value, known)
            )
        }
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return _called(statement.value, known, conditional)
    return {}


def _called(
    call: ast.Call, known: dict[str, Texts | None], conditional: bool
) -> dict[str, Texts | None]:
    """The list that a method of its own changes."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if not isinstance(owner, ast.Name) or owner.id not in known or not call.args:
        return {}
    old, method = known[owner.id], called(call)
    value = call.args[-1]
    one = _texts(ast.List([value], ast.Load()), known)
    if method == "remove" and old is not None and one is not None:
        return {owner.id: tuple(text for text in old if text not in one)}
    if method in ("append", "insert", "extend") and not conditional:
        return {owner.id: _sum(old, _texts(value, known) if method == "extend" else one)}
    return {}


def _texts(node: ast.expr, known: dict[str, Texts | None]) -> Texts | None:
    """The texts in the list that `node` gives."""
    if isinstance(node, ast.List | ast.Tuple):
        found: Texts | None = ()
        for element in node.elts:
            found = _sum(found, _element(element, known))
        return found
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _sum(_texts(node.left, known), _texts(node.right, known))
    if isinstance(node, ast.IfExp):
        return _both(_texts(node.body, known), _texts(node.orelse, known))
    if isinstance(node, ast.Call) and called(node) in ("list", "tuple") and len(node.args) == 1:
        return _texts(node.args[0], known)
    return known.get(node.id) if isinstance(node, ast.Name) else None


def _element(node: ast.expr, known: dict[str, Texts | None]) -> Texts | None:
    if isinstance(node, ast.Starred):
        return _texts(node.value, known)
    return (node.value,) if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _sum(first: Texts | None, second: Texts | None) -> Texts | None:
    return None if first is None or second is None else (*first, *second)


def _both(first: Texts | None, second: Texts | None) -> Texts | None:
    """What is in either of two lists, between which a condition decides."""
    if first is None or second is None:
        return None
    return tuple(text for text in first if text in second)
