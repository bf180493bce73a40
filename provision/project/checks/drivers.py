"""Packages that the settings' services need, where no requirement brings one."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from project.findings.databases import by_url, databases, under
from project.findings.dependencies import LOCKS
from project.findings.project import Project
from project.source.expressions import text
from project.source.tree import Place

# Any of them will do; the first is the one to add.
_OF_DATABASE = {
    "PostgreSQL": (
        *("psycopg2-binary", "psycopg2", "psycopg2cffi"),
        *("psycopg", "psycopg-binary", "psycopg-c"),
    ),
    "MySQL": ("mysqlclient", "pymysql", "mysql-connector-python"),
}
# What projects begin with, none of which brings a driver of its own.
_BRING_NONE = {
    *("asgiref", "channels", "channels-redis", "daphne", "django", "hiredis", "redis", "sqlparse"),
    *("gunicorn", "twisted", "uvicorn", "whitenoise"),
    *("dj-database-url", "django-environ", "environs", "python-decouple", "python-dotenv"),
    *("celery", "django-cors-headers", "djangorestframework", "pillow", "requests"),
}
# A requirement that does not name its package: a folder, a repository, an archive.
_NAMELESS = re.compile(r"\s*(-e|--editable|[./~]|[\w+]+:)")


def problems(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Packages without which no process would start."""
    if _is_whole(project):
        for place, what, packages in _missing(project, given):
            yield (
                f"{place}: {what}, and {project.tree.relative(project.requirements)} has no"
                f" {packages[0]}: no process would start. Add it to the"
                " requirements"
            )


def notes(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """The same where a requirement may bring them."""
    if not _is_whole(project):
        for place, what, packages in _missing(project, given):
            yield (
                f"{place}: {what}, and {project.tree.relative(project.requirements)} does not name"
                f" {packages[0]}: unless one of its packages brings that, no process will start"
            )


def _missing(
    project: Project, given: Mapping[str, str]
) -> Iterator[tuple[Place, str, tuple[str, ...]]]:
    """Where a service is named, which it is, and the packages of which one is needed."""
    for place, what, packages in (*_layers(project, given), *_databases(project, given)):
        if packages and not any(package in project.packages for package in packages):
            yield place, what, packages


def _layers(
    project: Project, given: Mapping[str, str]
) -> Iterator[tuple[Place, str, tuple[str, ...]]]:
    """The layer on Redis, if every one that a condition may choose is.

    With a CHANNEL_LAYER, provisioning brings what that needs.
    """
    if given.get("CHANNEL_LAYER", "project") != "project":
        return
    layers = project.candidates("CHANNEL_LAYERS")
    backends = []
    for layer in layers:
        default = under(layer.node, "default")
        backend = under(default, "BACKEND") if default else None
        backends.append((text(backend, given) if backend else None) or "")
    if layers and all(backend.startswith("channels_redis.") for backend in backends):
        yield layers[-1].place, f"CHANNEL_LAYERS is {backends[-1]}", ("channels-redis",)


def _databases(
    project: Project, given: Mapping[str, str]
) -> Iterator[tuple[Place, str, tuple[str, ...]]]:
    """The default database, if every one that a condition may choose is of one kind."""
    url = given.get("DATABASE_URL")
    if url:
        one = by_url(url.strip("\"'"), Place(Path("laurel.env")))
        found = [one] if one else []
    else:
        found = databases(project, given) or []
    if len({database.kind for database in found}) == 1:
        kind = found[0].kind
        yield found[0].place, f"the database is {kind}", _OF_DATABASE.get(kind, ())


def _is_whole(project: Project) -> bool:
    """Whether all that is installed is known: it is locked or frozen, or brings nothing more."""
    if project.requirements.name in LOCKS:
        return True
    files = {project.requirements}
    files |= {project.tree.root / one.place.path for one in project.packages.values()}
    lines = (line for file in files for line in project.tree.text(file).splitlines())
    if any(_NAMELESS.match(line) for line in lines):
        return False
    names = set(project.packages)
    # Nobody writes these down by hand: Django brings both.
    return {"asgiref", "sqlparse"} <= names or names <= _BRING_NONE.union(*_OF_DATABASE.values())
