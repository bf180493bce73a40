"""The variables that a project's settings need: their modules are read in the order they run."""

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

from project.findings.project import Project
from project.source.modules import Modules, called
from project.source.tree import Place

# What a machine of Laurel's gives every project.
_OFFERED = {
    *("SECRET_KEY", "ALLOWED_HOSTS", "REDIS_URL", "STATIC_ROOT", "MEDIA_ROOT", "STATE_DIR"),
    *("HOME", "LANG", "PATH", "DJANGO_SETTINGS_MODULE"),
}

# django-environ, environs and python-decouple, and the names that their documentation gives to
# what reads a variable.
_LIBRARIES = ("environ", "environs", "decouple")
_READERS = ("env", "config")
_CLASSES = ("Env", "FileAwareEnv", "Config", "AutoConfig")
# Methods of those, and of os.environ, that need no variable.
_NEEDS_NONE = re.compile(
    r"read_env|prefixed|seal|dump|parser_for|add_parser\w*|parse_value|\w+_config"
    r"|get|setdefault|pop|update|keys|values|items|copy"
)
# django-environ's, where a call names none.
_OF_METHOD = {
    **dict.fromkeys(("db", "db_url"), "DATABASE_URL"),
    **dict.fromkeys(("cache", "cache_url"), "CACHE_URL"),
    **dict.fromkeys(("email", "email_url"), "EMAIL_URL"),
    **dict.fromkeys(("channels", "channels_url"), "CHANNELS_URL"),
    "search_url": "SEARCH_URL",
}

_SECRET = re.compile("SECRET|PASS|TOKEN|KEY|DSN|CREDENTIAL")
_ADVICE = (
    "any text will do there, for laurel.env is part of the image: the secret itself belongs into"
    " /etc/laurel/site.env of the machine, as the same line, which goes before it"
)


def problems(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Variables without which the settings can't be imported."""
    told: set[str] = set()
    for name, place in needed(project.modules, project.settings_module):
        if name not in told and name not in _OFFERED and name not in given:
            told.add(name)
            value = "sqlite:////var/lib/site/db.sqlite3" if name == "DATABASE_URL" else "value"
            yield (
                f"{place} needs {name} from the environment:"
                f" add `export {name}={value}` to laurel.env"
                + (f"; {_ADVICE}" if _SECRET.search(name) else "")
            )


def needed(modules: Modules, module: str) -> list[tuple[str, Place]]:
    """The variables that importing `module` needs, and where."""
    run = _Run(modules)
    run.take(module)
    return run.needed


class _Run:
    """What is known of the environment while modules are imported."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self.needed: list[tuple[str, Place]] = []
        self.assigned: set[str] = set()
        self.defaults: set[str] = set()  # of Env(NAME=(type, default))
        self.readers: dict[str, dict[str, bool]] = {}  # module: whether a name of it is one

    def take(self, module: str) -> None:
        """Import `module`, and the packages around it before it; each once."""
        for name in accumulate(module.split("."), "{}.{}".format):
            file = self.modules.file(name)
            if file and name not in self.readers:
                self.readers[name] = {}
                _Module(self, name, file).visit(self.modules.parse(file))


class _Module(ast.NodeVisitor):
    """One module as it runs. What may never run needs nothing, but may assign something."""

    def __init__(self, run: _Run, name: str, file: Path) -> None:
        self._run = run
        self._name = name
        self._file = file
        self._readers = run.readers[name]
        self._runs = True
        self._prefix = ""
        self._imports: dict[ast.stmt, list[str]] = {}
        for statement, imported in run.modules.imports(name):
            self._imports.setdefault(statement, []).append(imported)

    # What a name is

    def visit_Import(self, node: ast.Import) -> None:
        self._follow(node)
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0], False)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._follow(node)
        source = self._run.modules.absolute(node, self._name, self._file)
        theirs = self._run.readers.get(source, {})
        for alias in node.names:
            if alias.name == "*":
                self._readers.update(theirs)
            else:
                is_reader = theirs.get(alias.name, self._is_librarys(source, alias.name))
                self._bind(alias.asname or alias.name, is_reader)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._assign(node.value, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self._assign(node.value, [node.target])

    def _follow(self, node: ast.stmt) -> None:
        if self._runs:
            for module in self._imports.get(node, []):
                self._run.take(module)

    def _is_librarys(self, source: str, name: str) -> bool:
        return name in _READERS and source.partition(".")[0] in _LIBRARIES

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

    # What may never run

    @contextmanager
    def _perhaps(self) -> Iterator[None]:
        before, self._runs = self._runs, False
        yield
        self._runs = before

    def _visit_perhaps(self, *nodes: ast.AST | None) -> None:
        with self._perhaps():
            for node in filter(None, nodes):
                self.visit(node)

    def _visit_all(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            self.visit(node)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._visit_perhaps(*node.body, *node.orelse)

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._visit_perhaps(*node.body, *node.orelse)

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self._visit_perhaps(*node.body, *node.orelse)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        self._visit_perhaps(*node.cases)

    def visit_Try(self, node: ast.Try) -> None:
        certain = len(node.body) if not node.handlers else int(_catches_imports_alone(node))
        self._visit_all(node.body[:certain])
        self._visit_perhaps(*node.body[certain:], *node.handlers, *node.orelse)
        self._visit_all(node.finalbody)

    def visit_With(self, node: ast.With) -> None:
        before = self._prefix
        suppresses = False
        for item in node.items:
            self.visit(item.context_expr)
            if isinstance(item.context_expr, ast.Call):
                name = called(item.context_expr)
                suppresses = suppresses or name == "suppress"
                if name == "prefixed" and item.context_expr.args:
                    self._prefix += _text(item.context_expr.args[0])
        if suppresses:
            self._visit_perhaps(*node.body)
        else:
            self._visit_all(node.body)
        self._prefix = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_perhaps(*node.body)
        self._bind(node.name, False)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_perhaps(*node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_perhaps(node.body)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._visit_perhaps(node.body, node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self._visit_perhaps(*node.values[1:])

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._visit_made(node.generators, node.elt)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._visit_made(node.generators, node.elt)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._visit_made(node.generators, node.elt)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._visit_made(node.generators, node.key, node.value)

    def _visit_made(self, generators: list[ast.comprehension], *elements: ast.expr) -> None:
        self.visit(generators[0].iter)
        self._visit_perhaps(*elements)

    # What reads a variable

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
        """The variable that `call` reads and names no default for; empty if there is none."""
        owner = _owner(call)
        reader = call.func if owner is None else owner
        if not isinstance(reader, ast.Name) or not self._is_reader(reader.id):
            return ""
        method = called(call) if owner else ""
        if _NEEDS_NONE.fullmatch(method) or _names_default(call):
            return ""
        return _text(call.args[0]) if call.args else _OF_METHOD.get(method, "")

    def _is_reader(self, name: str) -> bool:
        return self._readers.get(name, name in _READERS)

    def _need(self, name: str, node: ast.AST) -> None:
        if name and self._runs and name not in self._run.assigned:
            self._run.needed.append((name, self._run.modules.place(self._file, node)))


def _owner(call: ast.Call) -> ast.expr | None:
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def _is_environ(node: ast.expr | None) -> bool:
    """Whether `node` is os.environ."""
    return node is not None and ast.unparse(node) in ("os.environ", "environ")


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _names_default(call: ast.Call) -> bool:
    """Whether `call` has a default, by position or as what environs and others call it."""
    if any(keyword.arg in ("default", "missing", None) for keyword in call.keywords):
        return True
    # The second of django-environ's arguments may be the type.
    types = ("str", "bool", "int", "float", "list", "tuple", "dict")
    others = [node for node in call.args[1:] if ast.unparse(node) not in types]
    return bool(others)


def _catches_imports_alone(node: ast.Try) -> bool:
    """Whether only a failing import is caught: what else its first statement needs is needed."""
    return all(
        handler.type is not None
        and ast.unparse(handler.type) in ("ImportError", "ModuleNotFoundError")
        for handler in node.handlers
    )
