"""The text that an expression has in a known environment, found without running it."""

import ast
import re
from collections.abc import Callable, Mapping

from project.source.modules import called

# Calls that return a default, or None, for a missing variable; calls that fail without a default.
_FALLS_BACK = re.compile(r"(os\.)?(environ\.get|getenv)|dj_database_url\.config")
_FAILS = re.compile(r"env(\.\w+)?|config")

_Named = Callable[[str], ast.expr | None]


def text(node: ast.expr, environ: Mapping[str, str], named: _Named = lambda _: None) -> str | None:
    """The text of `node`, empty for Python's None; None if it is known only at run time.

    A call that reads a variable has the variable's value in `environ`, else its default. `named`
    returns the expression that a name stands for.
    """
    if isinstance(node, ast.Constant):
        return node.value or "" if isinstance(node.value, str | None) else None
    if isinstance(node, ast.Name):
        meant = named(node.id)
        return text(meant, environ) if meant else None
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        texts = (text(value, environ, named) for value in node.values)
        return next((found for found in texts if found != ""), "")
    if isinstance(node, ast.Call):
        return _read(node, environ, named)
    return None


def _read(call: ast.Call, environ: Mapping[str, str], named: _Named) -> str | None:
    function = ast.unparse(call.func)
    if called(call) == "parse" and call.args:  # dj_database_url's
        return text(call.args[0], environ, named)
    falls_back = bool(_FALLS_BACK.fullmatch(function))
    if not falls_back and not _FAILS.fullmatch(function):
        return None
    name = text(call.args[0], {}) if call.args else ""
    if name and environ.get(name):
        return environ[name]
    default = next((one.value for one in call.keywords if one.arg == "default"), None)
    if default is None and len(call.args) > 1:
        default = call.args[1]
    if default is None:
        return "" if falls_back else None
    return text(default, environ, named)
