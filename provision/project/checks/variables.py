"""Environment variables that importing the settings needs, found in the order of execution."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from project.findings.project import Project
from project.source.modules import Modules, called, with_packages
from project.source.tree import Place

# Laurel sets these for every project.
_PROVIDED = {
    *("SECRET_KEY", "ALLOWED_HOSTS", "REDIS_URL", "STATIC_ROOT", "MEDIA_ROOT", "STATE_DIR"),
    *("HOME", "LANG", "PATH", "DJANGO_SETTINGS_MODULE"),
}

# django-environ, environs and python-decouple; the names of readers are those in their manuals.
_LIBRARIES = ("environ", "environs", "decouple")
_READERS = ("env", "config")
_CLASSES = ("Env", "FileAwareEnv", "Config", "AutoConfig")
# Methods of the readers, and of os.environ, that work without the variable.
_NEEDS_NONE = re.compile(
    r"read_env|prefixed|seal|dump|parser_for|add_parser\w*|parse_value|\w+_config"
    r"|get|setdefault|pop|update|keys|values|items|copy"
)
# The variables that django-environ's methods, such as db() and db_url(), read by default.
_OF_METHOD = {
    "db": "DATABASE_URL",
    **{method: f"{method.upper()}_URL" for method in ("cache", "email", "channels", "search")},
}

_SECRET = re.compile("SECRET|PASS|TOKEN|KEY|DSN|CREDENTIAL")
_ADVICE = (
    "write any text there, because laurel.env is part of the image, and put the secret itself into"
    " /etc/laurel/site.env of the machine, as the same line, which has priority"
)


def problems(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Variables without which importing the settings fails."""
    reported: set[str] = set()
    for name, place in needed(project.modules, project.settings_module):
        if name not in reported and name not in _PROVIDED and name not in given:
            reported.add(name)
            value = "sqlite:////var/lib/site/db.sqlite3" if name == "DATABASE_URL" else "value"
            yield (
                f"{place} needs {name} from the environment:"
                f" add `export {name}={value}` to laurel.env"
                + (f"; {_ADVICE}" if _SECRET.search(name) else "")
            )


def needed(modules: Modules, module: str) -> list[tuple[str, Place]]:
    """The variables that importing `module` needs, and where."""
    run = _Run(modules)
    run.enter(module)
    return run.needed


class _Run:
    """The state of the environment while modules are imported."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self.needed: list[tuple[str, Place]] = []
        self.assigned: set[str] = set()
        self.defaults: set[str] = set()  # of Env(NAME=(type, default))
        self.readers: dict[str, dict[str, bool]] = {}  # module: name: whether it is a reader

    def enter(self, module: str) -> None:
        """Import `module` after the packages around it, each once."""
        for name in with_packages(module):
            file = self.modules.file(name)
            if file and name not in self.readers:
                self.readers[name] = {}
                _Module(self, name, file).visit(self.modules.parse(file))


class _Module(ast.NodeVisitor):
    """A module as it runs. Code that may not run needs no variable, but may assign one."""

    def __init__(self, run: _Run, name: str, file: Path) -> None:
        self._run = run
        self._name = name
        self._file = file
        self._readers = run.readers[name]
        self._runs = True
        self._prefix = ""

    def visit(self, node: ast.AST) -> None:
        """Visit the parts of `node`, and note which of them may not run."""
        certain = _certain(node)
        if certain is None:
            super().visit(node)
            return
        if isinstance(node, ast.FunctionDef):
            self._bind(node.name, False)
        for part in certain:
            self.visit(part)
        before, self._runs = self._runs, False
        for other in ast.iter_child_nodes(node):
            if other not in certain:
                self.visit(other)
        self._runs = before

    # Which names read variables

    def visit_Import(self, node: ast.Import) -> None:
        self._follow(node)
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0], False)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._follow(node)
        source = self._run.modules.absolute(node, self._name, self._file)
        imported = self._run.readers.get(source, {})
        of_library = source.partition(".")[0] in _LIBRARIES
        for alias in node.names:
            if alias.name == "*":
                self._readers.update(imported)
            else:
                is_reader = imported.get(alias.name, of_library and alias.name in _READERS)
                self._bind(alias.asname or alias.name, is_reader)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._assign(node.value, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self._assign(node.value, [node.target])

    def _follow(self, node: ast.stmt) -> None:
        if self._runs:
            for module in self._run.modules.imported(node, self._name, self._file):
                self._run.enter(module)

    def _assign(self, value: ast.expr, targets: list[ast.expr]) -> None:
        self.visit(value)  # os.environ["X"] = env("X") reads first
        for target in targets:
            if isinstance(target, ast.Name):
                is_reader = isinstance(value, ast.Call) and called(value) in _CLASSES
                self._bind(target.id, is_reader)
            elif isinstance(target, ast.Subscript) and _is_environ(target.value):
                self._run.assigned.add(_text(target.slice))

    def _bind(self, name: str, is_reader: bool) -> None:
        if self._runs or is_reader:
            self._readers[name] = is_reader

    # What reads a variable

    def visit_With(self, node: ast.With) -> None:
        before = self._prefix
        for item in node.items:
            call = item.context_expr
            self.visit(call)
            if isinstance(call, ast.Call) and called(call) == "prefixed" and call.args:
                self._prefix += _text(call.args[0])
        for statement in node.body:
            self.visit(statement)
        self._prefix = before

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load) and _is_environ(node.value):
            self._need(_text(node.slice), node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if called(node) in ("Env", "FileAwareEnv"):
            self._run.defaults |= {
                keyword.arg
                for keyword in node.keywords
                if keyword.arg
                and isinstance(keyword.value, ast.Tuple)
                and len(keyword.value.elts) == 2
            }
        elif called(node) == "setdefault" and node.args and _is_environ(_owner(node)):
            self._run.assigned.add(_text(node.args[0]))
        else:
            name = self._read(node)
            if name and self._prefix + name not in self._run.defaults:
                self._need(self._prefix + name, node)

    def _read(self, call: ast.Call) -> str:
        """The variable that `call` reads without a default; empty if there is none."""
        owner = _owner(call)
        reader = call.func if owner is None else owner
        if not isinstance(reader, ast.Name):
            return ""
        method = called(call) if owner else ""
        is_reader = self._readers.get(reader.id, reader.id in _READERS)
        if not is_reader or _NEEDS_NONE.fullmatch(method) or _has_default(call):
            return ""
        return _text(call.args[0]) if call.args else _OF_METHOD.get(method.removesuffix("_url"), "")

    def _need(self, name: str, node: ast.AST) -> None:
        if name and self._runs and name not in self._run.assigned:
            self._run.needed.append((name, self._run.modules.place(self._file, node)))


def _certain(node: ast.AST) -> list[ast.expr] | list[ast.stmt] | None:
    """The parts of `node` that run whenever it does; None if all of them do."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            return []
        case ast.If() | ast.While() | ast.IfExp():
            return [node.test]
        case ast.For():
            return [node.iter]
        case ast.Match():
            return [node.subject]
        case ast.BoolOp():
            return node.values[:1]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            return [node.generators[0].iter]
        case ast.Try(handlers=[_, *_]):
            # If only a failing import is caught, the first statement needs its variables.
            return [*node.body[: int(_catches_only_imports(node))], *node.finalbody]
        case ast.With() if any(_suppresses(item.context_expr) for item in node.items):
            return []
    return None


def _catches_only_imports(node: ast.Try) -> bool:
    return all(
        handler.type is not None
        and ast.unparse(handler.type) in ("ImportError", "ModuleNotFoundError")
        for handler in node.handlers
    )


def _suppresses(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and called(node) == "suppress"


def _owner(call: ast.Call) -> ast.expr | None:
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def _is_environ(node: ast.expr | None) -> bool:
    return node is not None and ast.unparse(node) in ("os.environ", "environ")


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _has_default(call: ast.Call) -> bool:
    """Whether `call` has a default, by position or under a keyword of the libraries."""
    if any(keyword.arg in ("default", "missing", None) for keyword in call.keywords):
        return True
    # The second of django-environ's arguments may be the type.
    types = ("str", "bool", "int", "float", "list", "tuple", "dict")
    others = [node for node in call.args[1:] if ast.unparse(node) not in types]
    return bool(others)
