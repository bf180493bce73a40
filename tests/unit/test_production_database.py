"""What DATABASE_URL keeps of the project's own database."""

import sys
from types import ModuleType
from typing import Any

import pytest

URL = "postgres://site@db/site"


@pytest.fixture(autouse=True)
def parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dj_database_url that knows one URL."""
    module = ModuleType("dj_database_url")

    def parse(url: str, conn_max_age: int) -> dict[str, Any]:
        assert url == URL
        engine = "django.db.backends.postgresql"
        return {"ENGINE": engine, "NAME": "site", "HOST": "db", "CONN_MAX_AGE": conn_max_age}

    module.parse = parse  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dj_database_url", module)


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ("django_prometheus.db.backends.postgresql", "django_prometheus.db.backends.postgresql"),
        ("django.contrib.gis.db.backends.postgis", "django.contrib.gis.db.backends.postgis"),
        ("django.db.backends.postgresql", "django.db.backends.postgresql"),
        ("django.db.backends.sqlite3", "django.db.backends.postgresql"),
        ("django_prometheus.db.backends.sqlite3", "django.db.backends.postgresql"),
        ("", "django.db.backends.postgresql"),
    ],
)
def test_engine_of_another_package_stays(production: Any, own: str, kept: str) -> None:
    project = {"DATABASES": {"default": {"ENGINE": own, "NAME": "x", "OPTIONS": {"pool": True}}}}
    changed, _ = production.overrides(project, {"DATABASE_URL": URL})
    database = changed["DATABASES"]["default"]
    assert (database["ENGINE"], database["NAME"], database["HOST"]) == (kept, "site", "db")
    same_kind = "postg" in own
    assert database.get("OPTIONS") == ({"pool": True} if same_kind else None)
