"""Packages that the database and the channel layer need, and that the requirements lack."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from project.findings.databases import by_url, databases, under
from project.findings.dependencies import LOCKS
from project.findings.project import Project
from project.source.expressions import text
from project.source.tree import Place

# One of each is enough; the message names the first.
_OF_DATABASE = {
    "PostgreSQL": (
        *("psycopg2-binary", "psycopg2", "psycopg2cffi"),
        *("psycopg", "psycopg-binary", "psycopg-c"),
    ),
    "MySQL": ("mysqlclient", "pymysql", "mysql-connector-python"),
}
# Common packages that depend on no database driver.
_WITHOUT_DRIVER = {
    *("asgiref", "channels", "channels-redis", "daphne", "django", "hiredis", "redis", "sqlparse"),
    *("gunicorn", "twisted", "uvicorn", "whitenoise"),
    *("dj-database-url", "django-environ", "environs", "python-decouple", "python-dotenv"),
    *("celery", "django-cors-headers", "djangorestframework", "pillow", "requests"),
}
# A requirement without a package name: a folder, a repository, an archive.
_NAMELESS = re.compile(r"\s*(-e|--editable|[./~]|[\w+]+:)")

# The place that names a service, what it is, and the packages of which it needs one.
_Need = tuple[Place, str, tuple[str, ...]]


def problems(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Missing packages, where the requirements list everything that is installed."""
    if _is_complete(project):
        for place, what, packages in _missing(project, given):
            yield (
                f"{place}: {what}, and {project.tree.relative(project.requirements)} has no"
                f" {packages[0]}: no process would start. Add it to the requirements"
            )


def notes(project: Project, given: Mapping[str, str]) -> Iterator[str]:
    """Missing packages, where a listed package may depend on one."""
    if not _is_complete(project):
        for place, what, packages in _missing(project, given):
            yield (
                f"{place}: {what}, and {project.tree.relative(project.requirements)} does not name"
                f" {packages[0]}: no process will start unless another package depends on it"
            )


def _missing(project: Project, given: Mapping[str, str]) -> Iterator[_Need]:
    for place, what, packages in (*_layers(project, given), *_databases(project, given)):
        if packages and not any(package in project.packages for package in packages):
            yield place, what, packages


def _layers(project: Project, given: Mapping[str, str]) -> Iterator[_Need]:
    """The layer on Redis, if every layer that a condition may choose is on Redis.

    For a CHANNEL_LAYER, provisioning installs the package.
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


def _databases(project: Project, given: Mapping[str, str]) -> Iterator[_Need]:
    """The default database, if every database that a condition may choose is of one kind."""
    url = given.get("DATABASE_URL")
    if url:
        one = by_url(url.strip("\"'"), Place(Path("laurel.env")))
        found = [one] if one else []
    else:
        found = databases(project, given) or []
    if len({database.kind for database in found}) == 1:
        kind = found[0].kind
        yield found[0].place, f"the database is {kind}", _OF_DATABASE.get(kind, ())


def _is_complete(project: Project) -> bool:
    """Whether the requirements list every package: locked, frozen, or without dependencies."""
    if project.requirements.name in LOCKS:
        return True
    files = {project.requirements}
    files |= {project.tree.root / one.place.path for one in project.packages.values()}
    lines = (line for file in files for line in project.tree.text(file).splitlines())
    if any(_NAMELESS.match(line) for line in lines):
        return False
    names = set(project.packages)
    # Django's own dependencies: `pip freeze` lists them, people do not.
    return {"asgiref", "sqlparse"} <= names or names <= _WITHOUT_DRIVER.union(
        *_OF_DATABASE.values()
    )
