"""Which of a project's settings are others on the machine, and why: as production/ does it."""

import ast
from collections.abc import Iterator, Mapping

from project.findings.project import Project
from project.source.modules import UNKNOWN, Value

_REDIS = "the machine's Redis, or REDIS_URL"
# As in production/, which runs where the project does, and not here.
OFF_WITHOUT_TLS = (
    "SECURE_SSL_REDIRECT",
    "SECURE_HSTS_SECONDS",
    "SESSION_COOKIE_SECURE",
    "CSRF_COOKIE_SECURE",
    "LANGUAGE_COOKIE_SECURE",
)
_WITHOUT_TLS = "off: TLS_IN_FRONT is no, and nobody could log in by plain HTTP"


def overrides(project: Project, given: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Name, what it becomes and why, and where the project has it ("" if nowhere)."""

    def place(name: str) -> str:
        value = project.setting(name)
        return str(value.place) if value else ""

    yield "SECRET_KEY", "made on each machine, shared by none", place("SECRET_KEY")
    yield "DEBUG", "False: a page of errors shows the source", place("DEBUG")
    yield (
        "ALLOWED_HOSTS",
        "theirs without *, SITE_HOSTS and the machine's own",
        place("ALLOWED_HOSTS"),
    )
    yield "STATIC_ROOT", "where nginx serves it", place("STATIC_ROOT")
    yield "MEDIA_ROOT", "/var/lib/site/media, which outlives a release", place("MEDIA_ROOT")
    yield (
        "SECURE_PROXY_SSL_HEADER",
        "what nginx says of the scheme",
        place("SECURE_PROXY_SSL_HEADER"),
    )
    yield "LOGGING", "files become the process's log", place("LOGGING")
    if "DATABASE_URL" in given:
        yield "DATABASES", "DATABASE_URL", place("DATABASES")
    elif _has(project.candidates("DATABASES"), "sqlite3"):
        yield "DATABASES", "SQLite in /var/lib/site, which outlives a release", place("DATABASES")
    for name in ("CHANNEL_LAYERS", "CACHES", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        if _has(project.candidates(name), "redis"):
            yield name, _REDIS, place(name)
    if given.get("TLS_IN_FRONT") != "yes":
        for name in OFF_WITHOUT_TLS:
            value = project.setting(name)
            if value and (value.value is UNKNOWN or value.value):
                yield name, _WITHOUT_TLS, str(value.place)


def _has(values: list[Value], text: str) -> bool:
    return any(text in ast.unparse(value.node) for value in values)
