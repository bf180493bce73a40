"""The release command, once for all instances of one database, and the first administrator."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

GIVEN = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_EMAIL": "ada@example.org",
    "DJANGO_SUPERUSER_PASSWORD": "correct horse",
}
MIGRATE = f"{sys.executable} manage.py migrate --noinput --verbosity 0"


class Site:
    """Our own site with a database in a folder of the test."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.app = top / "app"
        self.folder = folder
        self.production = top / "provision/production"

    def migrate(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-B", "-m", "laurel_migrate", str(self.app), command],
            cwd=self.app,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(self.production),
                "PYTHONDONTWRITEBYTECODE": "1",
                "DJANGO_SETTINGS_MODULE": "laurel_production",
                "LAUREL_SETTINGS_MODULE": "mysite.settings",
                "SECRET_KEY": "x" * 50,
                "STATE_DIR": str(self.folder),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def administrators(self) -> list[tuple[str, str]]:
        with sqlite3.connect(self.folder / "db.sqlite3") as database:
            return database.execute(
                "SELECT username, email FROM auth_user WHERE is_superuser"
            ).fetchall()


@pytest.fixture
def site(top: Path, tmp_path: Path) -> Site:
    return Site(top, tmp_path)


def test_the_exit_code_is_the_commands(site: Site) -> None:
    ran = site.migrate("pwd && exit 3")
    assert (ran.returncode, ran.stdout) == (3, f"{site.app}\n")


def test_the_first_administrator_is_made_once(site: Site) -> None:
    first = site.migrate(MIGRATE, **GIVEN)
    assert first.returncode == 0, first.stderr
    assert first.stdout == "laurel: ada is the site's first administrator\n"
    # Whoever is there stays: the operator may have chosen another name since.
    second = site.migrate("true", **{**GIVEN, "DJANGO_SUPERUSER_USERNAME": "grace"})
    assert (second.returncode, second.stdout) == (0, "")
    assert site.administrators() == [("ada", "ada@example.org")]


def test_a_command_that_fails_makes_no_administrator(site: Site) -> None:
    assert site.migrate(MIGRATE).returncode == 0
    assert site.migrate("exit 1", **GIVEN).returncode == 1
    assert site.administrators() == []


def test_the_command_is_not_given_the_password(site: Site) -> None:
    ran = site.migrate("env | grep -c SUPERUSER; exit 7", **GIVEN)
    assert (ran.returncode, ran.stdout) == (7, "0\n")


def test_an_administrator_that_django_refuses_is_told(site: Site) -> None:
    without_name = {key: value for key, value in GIVEN.items() if "USERNAME" not in key}
    ran = site.migrate(MIGRATE, **without_name)
    assert ran.returncode == 65
    assert ran.stderr.startswith("laurel: ")
    assert site.administrators() == []


def test_a_database_that_does_not_answer_is_told_apart(site: Site) -> None:
    # The parser that Laurel brings to a machine is not here: the project's own settings read it.
    ran = site.migrate(
        "echo ran",
        DJANGO_SETTINGS_MODULE="mysite.settings",
        DATABASE_URL="postgres://u:secret@127.0.0.1:1/site",
    )
    assert ran.returncode == 75
    assert "laurel: the database can't be reached: " in ran.stderr
    assert "secret" not in ran.stderr
    assert "Warning" not in ran.stderr
    assert "ran" not in ran.stdout


class Cursor:
    """Answers the query for a lock with one of `answers` after the other."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, query: str, values: list[Any]) -> None:
        self.asked.append((query, values))

    def fetchone(self) -> tuple[Any]:
        return (self.answers.pop(0),)


@pytest.mark.parametrize(
    ("vendor", "query"),
    [
        ("postgresql", "SELECT pg_try_advisory_lock(%s)"),
        ("mysql", "SELECT GET_LOCK(%s, 0)"),
    ],
)
def test_one_instance_waits_for_the_other(
    top: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    vendor: str,
    query: str,
) -> None:
    monkeypatch.syspath_prepend(str(top / "provision/production"))
    import laurel_migrate

    cursor = Cursor([False, 0, None, 1])
    closed: list[bool] = []
    connection = SimpleNamespace(
        vendor=vendor, cursor=lambda: cursor, close=lambda: closed.append(True)
    )
    monkeypatch.setattr(laurel_migrate, "connection", connection)
    monkeypatch.setattr(laurel_migrate, "PAUSE", 0)
    with laurel_migrate.lock():
        assert [asked for asked, _ in cursor.asked] == [query] * 4
        assert not closed
    assert closed
    assert capsys.readouterr().out.count("another instance migrates") == 1
