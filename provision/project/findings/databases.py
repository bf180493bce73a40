"""The database that a project's settings name where nothing else is said."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from project.findings.project import Project
from project.source.expressions import text
from project.source.modules import Value
from project.source.tree import Place

_URL = re.compile(r"([\w.+-]+)://(?:[^/]*@)?(\[[^\]]*\]|[^:/?]*)")
_KINDS = {
    "SQLite": ("sqlite", "spatialite"),
    "PostgreSQL": ("postg", "pgsql"),
    "MySQL": ("mysql",),
    "Oracle": ("oracle",),
}


@dataclass(frozen=True)
class Database:
    """One database; `kind` is empty where only DATABASE_URL would name one, `host` None if only
    running the settings would tell it."""

    kind: str
    host: str | None
    place: Place

    @property
    def is_here(self) -> bool:
        """Whether it is a server on the machine itself, or beside it as Docker Compose has it."""
        host = self.host
        if not self.kind:
            return True
        if self.kind == "SQLite" or host is None:
            return False
        return (
            host.startswith(("127.", "/"))
            or host in ("::1", "[::1]")
            or not re.search("[.:]", host)
        )


def databases(project: Project, environ: Mapping[str, str]) -> list[Database] | None:
    """What the default database may be, where conditions decide; None if only running would tell.

    `environ` is what the settings find in their environment, without DATABASE_URL.
    """
    found = []
    for node, place in _defaults(project):
        database = _database(project, node, place, environ)
        if database is None:
            return None
        found.append(database)
    return found


def by_url(url: str, place: Place) -> Database | None:
    """The database at `url`; None for what is no URL."""
    parts = _URL.match(url)
    return Database(_kind(parts[1]), parts[2], place) if parts else None


def under(node: ast.expr, key: str) -> ast.expr | None:
    """What the dictionary `node` has under `key`; None if it has no such key, or is none."""
    if isinstance(node, ast.Dict):
        for name, value in zip(node.keys, node.values, strict=True):
            if isinstance(name, ast.Constant) and name.value == key:
                return value
    return None


def _defaults(project: Project) -> list[tuple[ast.expr, Place]]:
    """What DATABASES has as the default one, also where that is assigned by itself."""
    found: list[tuple[ast.expr, Place]] = []
    for value in project.candidates("DATABASES"):
        default = under(value.node, "default")
        if default:
            found.append((default, Place(value.place.path, default.lineno)))
        elif not isinstance(value.node, ast.Dict):
            found.append((value.node, value.place))
    for module in project.modules.taken_in(project.settings_module):
        file = project.modules.file(module)
        if file is None:
            continue
        for node in ast.walk(project.modules.parse(file)):
            if isinstance(node, ast.Assign) and any(
                ast.unparse(target) == "DATABASES['default']" for target in node.targets
            ):
                found.append((node.value, project.modules.place(file, node)))
    return found


def _database(
    project: Project, node: ast.expr, place: Place, environ: Mapping[str, str]
) -> Database | None:
    def named(name: str) -> ast.expr | None:
        values: list[Value] = project.candidates(name)
        return values[0].node if len(values) == 1 else None

    if isinstance(node, ast.Call):
        url = text(node, environ, named)
        return Database("", "", place) if url == "" else by_url(url or "", place)
    engine = under(node, "ENGINE")
    kind = text(engine, environ, named) if engine else None
    if not kind or not isinstance(node, ast.Dict) or None in node.keys:
        return None
    host = under(node, "HOST")
    if host is None:
        # OPTIONS may name a file that says it.
        return Database(_kind(kind), None if under(node, "OPTIONS") else "", place)
    return Database(_kind(kind), text(host, environ, named), place)


def _kind(engine: str) -> str:
    """The name of what an ENGINE or the scheme of a URL stands for; itself if it is not known."""
    return next(
        (kind for kind, parts in _KINDS.items() if any(part in engine for part in parts)), engine
    )
