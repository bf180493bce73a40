"""What is said of the services that a project's settings name and the machine has not."""

import re
from pathlib import Path

import pytest
from unit.inspected import add, notes, problems

NOTE = "until then the site does not come up"
FROZEN = "Django==5.2.1\nasgiref==3.9.1\nsqlparse==0.5.3\nchannels==4.3.2\nchannels_redis==4.3.0\n"


def database(engine: str, host: str) -> str:
    return f'DATABASES = {{"default": {{"ENGINE": "django.db.backends.{engine}", "HOST": {host}}}}}'


def database_notes(project: Path) -> list[str]:
    return [one for one in notes(project) if NOTE in one]


# A database that the machine has not


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (database("postgresql", '"db"'), "PostgreSQL at `db`, and the machine has none"),
        (database("postgresql", '"localhost"'), "PostgreSQL at `localhost`, and "),
        (database("mysql", '"127.0.0.1"'), "MySQL at `127.0.0.1`, and "),
        (database("postgresql", '""'), "PostgreSQL on the machine itself, and it has none"),
        (database("postgresql", 'os.environ.get("DB_HOST", "db")'), "PostgreSQL at `db`"),
        (database("postgresql", 'os.environ.get("DB_HOST")'), "PostgreSQL on the machine"),
        (database("postgresql", 'os.environ.get("DB_HOST") or "db"'), "PostgreSQL at `db`"),
        ('HOST = "db"\n' + database("postgresql", "HOST"), "PostgreSQL at `db`"),
        (
            'DATABASES = {"default": {"ENGINE": "django.contrib.gis.db.backends.postgis"}}',
            "PostgreSQL on the machine itself",
        ),
        (
            'DATABASES = {"default": env.db("DATABASE_URL", default="postgres:///site")}',
            "PostgreSQL on the machine itself",
        ),
        (
            'DATABASES = {"default": dj_database_url.config(default="mysql://me:p@db:3306/x")}',
            "MySQL at `db`",
        ),
        (
            'DATABASES = {"default": dj_database_url.parse(os.getenv("URL", "postgis://db/x"))}',
            "PostgreSQL at `db`",
        ),
        ('DATABASES = {"default": dj_database_url.config()}', "what DATABASE_URL says, and "),
        (
            'DATABASES = {}\nDATABASES["default"] = dj_database_url.config(conn_max_age=60)',
            "what DATABASE_URL says, and ",
        ),
    ],
)
def test_a_database_that_the_machine_has_not_is_told(
    plain_project: Path, settings: str, told: str
) -> None:
    add(plain_project / "rooms/settings.py", f"import os\n{settings}")
    found = database_notes(plain_project)
    assert len(found) == 1
    assert re.match(rf"rooms/settings\.py, line \d+: the database is {re.escape(told)}", found[0])


@pytest.mark.parametrize(
    "settings",
    [
        database("sqlite3", '""'),
        database("postgresql", '"db.internal.example.net"'),
        database("postgresql", '"10.0.0.7"'),
        database("postgresql", '"fd00::7"'),
        database("postgresql", "host()"),
        'if DEBUG:\n    DATABASES = {"default": {"ENGINE": "django.db.backends.mysql"}}',
        'DATABASES = {"default": {"ENGINE": "django.db.backends.mysql", "OPTIONS": {"x": "y"}}}',
        'DATABASES = {"default": {**DATABASES["default"], "HOST": "db"}}',
        'DATABASES = {"default": dj_database_url.config(default=f"sqlite:///{BASE_DIR}/db")}',
        'DATABASES = {"default": env.db("X", default="sqlite:///db")}',
        "DATABASES = databases()",
    ],
)
def test_a_database_that_may_be_there_is_not(plain_project: Path, settings: str) -> None:
    add(plain_project / "rooms/settings.py", f"import os\n{settings}")
    assert database_notes(plain_project) == []


@pytest.mark.parametrize("line", ["DATABASE_URL=postgres://db/x", "DB_HOST=db.example.net"])
def test_laurel_env_may_say_where_the_database_is(plain_project: Path, line: str) -> None:
    host = 'os.environ.get("DB_HOST", "db")'
    add(plain_project / "rooms/settings.py", f"import os\n{database('postgresql', host)}")
    assert len(database_notes(plain_project)) == 1
    add(plain_project / "laurel.env", f"export {line}")
    assert database_notes(plain_project) == []


# A package that a service needs


@pytest.mark.parametrize(
    ("engine", "package"), [("postgresql", "psycopg2-binary"), ("mysql", "mysqlclient")]
)
def test_a_driver_that_no_requirement_brings_is_refused(
    plain_project: Path, engine: str, package: str
) -> None:
    add(plain_project / "rooms/settings.py", database(engine, '"10.0.0.7"'))
    for requirements in (FROZEN, "Django\nchannels[daphne]\nchannels-redis\n"):
        (plain_project / "requirements.txt").write_text(requirements)
        found = problems(plain_project)
        assert len(found) == 1
        assert re.match(
            rf"rooms/settings\.py, line \d+: the database is .* has no {package}", found[0]
        )


@pytest.mark.parametrize(
    ("engine", "requirement"),
    [
        ("postgresql", "psycopg[binary]==3.2.9"),
        ("postgresql", "psycopg2_binary"),
        ("mysql", "PyMySQL"),
        ("sqlite3", "# none"),
        ("oracle", "oracledb"),
    ],
)
def test_any_driver_of_the_database_will_do(
    plain_project: Path, engine: str, requirement: str
) -> None:
    add(plain_project / "rooms/settings.py", database(engine, '"10.0.0.7"'))
    (plain_project / "requirements.txt").write_text(FROZEN + requirement)
    assert problems(plain_project) == []


@pytest.mark.parametrize(
    "requirement", ["django-tenants", "our-base[postgres]", "-e .", "git+https://host/ours.git"]
)
def test_a_driver_that_a_requirement_may_bring_is_told_only(
    plain_project: Path, requirement: str
) -> None:
    add(plain_project / "rooms/settings.py", database("postgresql", '"10.0.0.7"'))
    add(plain_project / "requirements.txt", requirement)
    assert problems(plain_project) == []
    found = [one for one in notes(plain_project) if "unless one of its packages" in one]
    assert len(found) == 1
    add(plain_project / "requirements.txt", "psycopg2")
    assert not any("unless one of its packages" in one for one in notes(plain_project))


def test_the_driver_is_that_of_the_database_that_is_given(plain_project: Path) -> None:
    add(plain_project / "requirements.txt", "psycopg2-binary")
    given = {"DATABASE_URL": "mysql://site@db.internal/site"}
    assert len(problems(plain_project, given)) == 1
    assert problems(plain_project, {"DATABASE_URL": "postgres://site@db.internal/site"}) == []


def test_a_layer_on_redis_needs_its_package(plain_project: Path) -> None:
    requirements = plain_project / "requirements.txt"
    requirements.write_text(FROZEN.replace("channels_redis==4.3.0\n", ""))
    found = problems(plain_project)
    assert len(found) == 1
    assert re.match(
        r"rooms/settings\.py, line \d+: CHANNEL_LAYERS is channels_redis\.\S+, and"
        r" requirements\.txt has no channels-redis: no process would start",
        found[0],
    )
    add(plain_project / "rooms/settings.py", "if DEBUG:\n    CHANNEL_LAYERS = {}")
    assert problems(plain_project) == []


@pytest.mark.parametrize("name", ["deep_root", "long_poll", "procfile_worker", "source_build"])
def test_of_projects_that_work_no_service_is_missed(top: Path, name: str) -> None:
    said = " ".join(notes(top / "tests" / "projects" / name))
    assert NOTE not in said
    assert "unless one of its packages" not in said
