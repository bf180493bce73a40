"""What inspection says of the databases and channel layers that the settings name."""

import re
from pathlib import Path

import pytest
from unit.inspected import add, notes, problems

NOTE = "until then the site does not come up"
OPEN = "unless another package depends on it"
FROZEN = "Django==5.2.1\nasgiref==3.9.1\nsqlparse==0.5.3\nchannels==4.3.2\nchannels_redis==4.3.0\n"


def database(engine: str, host: str) -> str:
    return f'DATABASES = {{"default": {{"ENGINE": "django.db.backends.{engine}", "HOST": {host}}}}}'


def database_notes(project: Path) -> list[str]:
    return [one for one in notes(project) if NOTE in one]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (database("mysql", '"127.0.0.1"'), "MySQL at `127.0.0.1`, and the machine has none"),
        (database("postgis", '""'), "PostgreSQL on the machine itself, which has none"),
        (database("postgresql", 'os.environ.get("DB_HOST", "db")'), "PostgreSQL at `db`"),
        ('HOST = "db"\n' + database("postgresql", "HOST"), "PostgreSQL at `db`"),
        (
            'DATABASES = {"default": dj_database_url.parse(os.getenv("URL", "mysql://a:b@db/x"))}',
            "MySQL at `db`",
        ),
        (
            'DATABASES = {}\nDATABASES["default"] = dj_database_url.config(conn_max_age=60)',
            "the one that DATABASE_URL names, and ",
        ),
    ],
)
def test_missing_database_server_is_noted(plain_project: Path, settings: str, text: str) -> None:
    add(plain_project / "rooms/settings.py", f"import os\n{settings}")
    (note,) = database_notes(plain_project)
    assert re.match(rf"rooms/settings\.py, line \d+: the database is {re.escape(text)}", note)
    add(plain_project / "laurel.env", "export DATABASE_URL=postgres://db/x")
    assert database_notes(plain_project) == []


@pytest.mark.parametrize(
    "settings",
    [
        database("postgresql", '"db.internal.example.net"'),
        database("postgresql", 'os.environ.get("DB_HOST", "db")'),
        'if DEBUG:\n    DATABASES = {"default": {"ENGINE": "django.db.backends.mysql"}}',
        'DATABASES = {"default": {"ENGINE": "django.db.backends.mysql", "OPTIONS": {"x": "y"}}}',
        'DATABASES = {"default": dj_database_url.config(default=f"sqlite:///{BASE_DIR}/db")}',
        "DATABASES = databases()",
    ],
)
def test_database_that_may_exist_is_not_noted(plain_project: Path, settings: str) -> None:
    add(plain_project / "rooms/settings.py", f"import os\n{settings}")
    add(plain_project / "laurel.env", "export DB_HOST=10.0.0.7")
    assert database_notes(plain_project) == []


@pytest.mark.parametrize(
    ("engine", "requirements", "missing"),
    [
        ("postgresql", FROZEN, "psycopg2-binary"),
        ("mysql", "Django\nchannels[daphne]\nchannels-redis\n", "mysqlclient"),
        ("postgresql", FROZEN + "psycopg[binary]==3.2.9", None),
        ("sqlite3", FROZEN, None),
        ("sqlite3", FROZEN.replace("channels_redis", "other"), "channels-redis"),
    ],
)
def test_service_without_its_package_is_refused(
    plain_project: Path, engine: str, requirements: str, missing: str | None
) -> None:
    add(plain_project / "rooms/settings.py", database(engine, '"10.0.0.7"'))
    (plain_project / "requirements.txt").write_text(requirements)
    found = problems(plain_project)
    assert len(found) == (missing is not None)
    assert all(f" has no {missing}: no process would start" in one for one in found)
    add(plain_project / "rooms/settings.py", "if DEBUG:\n    CHANNEL_LAYERS = {}")
    assert len(problems(plain_project)) == (missing not in (None, "channels-redis"))


@pytest.mark.parametrize("requirement", ["django-tenants", "-e .", "git+https://host/ours.git"])
def test_driver_that_a_requirement_may_bring_is_noted(
    plain_project: Path, requirement: str
) -> None:
    add(plain_project / "rooms/settings.py", database("postgresql", '"10.0.0.7"'))
    add(plain_project / "requirements.txt", requirement)
    assert problems(plain_project) == []
    assert OPEN in " ".join(notes(plain_project))
    add(plain_project / "requirements.txt", "psycopg2")
    assert OPEN not in " ".join(notes(plain_project))


def test_given_services_replace_those_of_the_settings(plain_project: Path) -> None:
    requirements = plain_project / "requirements.txt"
    requirements.write_text(FROZEN.replace("channels_redis==4.3.0", "psycopg"))
    given = {"CHANNEL_LAYER": "pubsub", "DATABASE_URL": "postgres://site@db.internal/site"}
    assert problems(plain_project, given) == []
    (problem,) = problems(plain_project, {**given, "DATABASE_URL": "mysql://db.internal/site"})
    assert "has no mysqlclient" in problem
