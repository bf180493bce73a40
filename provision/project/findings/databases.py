"""The default database of a project's settings."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from project.findings.project import Project
from project.source.expressions import text
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
    """A database. `kind` is empty if only DATABASE_URL would name one; `host` is None if it is
    known only when the settings run."""

    kind: str
    host: str | None
    place: Place

    @property
    def is_local(self) -> bool:
        """Whether the server is on the machine, or a neighbour as in Docker Compose."""
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
    """What the default database may be: several where conditions decide; None if not known.

    `environ` holds the variables that the settings find, without DATABASE_URL.
    """
    found = []
    for node, place in _defaults(project):
        database = _database(project, node, place, environ)
        if database is None:
            return None
        found.append(database)
    return found


def by_url(url: str, place: Place) -> Database | None:
    """The database at `url`; None if that is not a URL."""
    parts = _URL.match(url)
    return Database(_kind(parts[1]), parts[2], place) if parts else None


def under(node: ast.expr, key: str) -> ast.expr | None:
    """The value of `key` in the dictionary `node`; None if there is no such dictionary or key."""
    if isinstance(node, ast.Dict):
        for name, value in zip(node.keys, node.values, strict=True):
            if isinstance(name, ast.Constant) and name.value == key:
                return value
    return None


def _defaults(project: Project) -> Iterator[tuple[ast.expr, Place]]:
    """The values of DATABASES["default"], which may be assigned separately."""
    for value in project.candidates("DATABASES"):
        default = under(value.node, "default")
        if default:
            yield default, Place(value.place.path, default.lineno)
        elif not isinstance(value.node, ast.Dict):
            yield value.node, value.place
    for file in project.settings_files():
        for node in ast.walk(project.modules.parse(file)):
            if isinstance(node, ast.Assign) and any(
                ast.unparse(target) == "DATABASES['default']" for target in node.targets
            ):
                yield node.value, project.modules.place(file, node)


def _database(
    project: Project, node: ast.expr, place: Place, environ: Mapping[str, str]
) -> Database | None:
    def named(name: str) -> ast.expr | None:
        values = project.candidates(name)
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
        # OPTIONS may name a file with the host.
        return Database(_kind(kind), None if under(node, "OPTIONS") else "", place)
    return Database(_kind(kind), text(host, environ, named), place)


def _kind(engine: str) -> str:
    """The kind of an ENGINE or of a URL's scheme; `engine` itself if it is not known."""
    return next(
        (kind for kind, parts in _KINDS.items() if any(part in engine for part in parts)), engine
    )
