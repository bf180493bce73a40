"""The settings of a project that Laurel overrides on the machine, and why."""

import ast
from collections.abc import Iterator, Mapping

from project.findings.project import Project
from project.source.names import UNKNOWN, Value

_REDIS = "the machine's Redis, or REDIS_URL"
_WITHOUT_TLS = "off: TLS_IN_FRONT is no, and over plain HTTP logins would fail"
# A test compares these with off_without_tls of production/laurel_production.py, which needs the
# project's Django and so cannot be imported here.
OFF_WITHOUT_TLS = (
    "SECURE_SSL_REDIRECT",
    "SECURE_HSTS_SECONDS",
    "SESSION_COOKIE_SECURE",
    "CSRF_COOKIE_SECURE",
    "LANGUAGE_COOKIE_SECURE",
)


def overrides(project: Project, given: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Name, new value and why, and the project's place for the setting ("" if it has none)."""

    def place(name: str) -> str:
        value = project.setting(name)
        return str(value.place) if value else ""

    always = {
        "SECRET_KEY": "made on each machine at its first boot",
        "DEBUG": "False: error pages would show the source",
        "ALLOWED_HOSTS": "the project's without *, SITE_HOSTS and the machine's own",
        "STATIC_ROOT": "where nginx serves it",
        "MEDIA_ROOT": "/var/lib/site/media, which outlives a release",
        "SECURE_PROXY_SSL_HEADER": "the header that nginx sets",
        "LOGGING": "files become the process's log",
    }
    for name, why in always.items():
        yield name, why, place(name)
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
