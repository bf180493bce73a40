"""The release command, one instance at a time, and the first administrator."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

GIVEN = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_EMAIL": "ada@example.org",
    "DJANGO_SUPERUSER_PASSWORD": "correct horse",
}
MIGRATE = f"{sys.executable} manage.py migrate --noinput --verbosity 0"


class Site:
    """Our own site with its database in `folder`."""

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


@pytest.fixture(scope="module")
def site(top: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site with a migrated database."""
    site = Site(top, tmp_path_factory.mktemp("site"))
    ran = site.migrate(MIGRATE)
    assert ran.returncode == 0, ran.stderr
    return site


def test_command_runs_without_the_password_and_gives_its_exit_code(site: Site) -> None:
    ran = site.migrate("pwd; env | grep -c SUPERUSER; exit 7", **GIVEN)
    assert (ran.returncode, ran.stdout) == (7, f"{site.app}\n0\n")
    assert site.administrators() == []


def test_first_administrator_is_made_once_or_reported(site: Site) -> None:
    without_name = {key: value for key, value in GIVEN.items() if "USERNAME" not in key}
    refused = site.migrate("true", **without_name)
    assert (refused.returncode, refused.stdout) == (65, "")
    assert refused.stderr.startswith("laurel: ")
    assert site.administrators() == []
    first = site.migrate("true", **GIVEN)
    assert first.returncode == 0, first.stderr
    assert first.stdout == "laurel: ada is the site's first administrator\n"
    second = site.migrate("true", **{**GIVEN, "DJANGO_SUPERUSER_USERNAME": "grace"})
    assert (second.returncode, second.stdout) == (0, "")
    assert site.administrators() == [("ada", "ada@example.org")]


def test_unreachable_database_has_its_own_exit_code(site: Site) -> None:
    ran = site.migrate(
        "echo ran",
        # The parser that laurel_production uses on a machine is not installed here.
        DJANGO_SETTINGS_MODULE="mysite.settings",
        DATABASE_URL="postgres://u:secret@127.0.0.1:1/site",
    )
    assert (ran.returncode, ran.stdout) == (75, "")
    assert ran.stderr.startswith("laurel: the database can't be reached: ")
    assert "secret" not in ran.stderr


@pytest.mark.parametrize(
    ("vendor", "query"),
    [("postgresql", "SELECT pg_try_advisory_lock(%s)"), ("mysql", "SELECT GET_LOCK(%s, 0)")],
)
def test_second_instance_waits_for_the_lock(
    top: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    vendor: str,
    query: str,
) -> None:
    monkeypatch.syspath_prepend(str(top / "provision/production"))
    import laurel_migrate

    connection = MagicMock(vendor=vendor)
    cursor = connection.cursor.return_value.__enter__.return_value
    cursor.fetchone.side_effect = [(False,), (0,), (None,), (1,)]
    monkeypatch.setattr(laurel_migrate, "connection", connection)
    monkeypatch.setattr(laurel_migrate, "PAUSE", 0)
    with laurel_migrate.lock():
        assert [call.args[0] for call in cursor.execute.call_args_list] == [query] * 4
        connection.close.assert_not_called()
    connection.close.assert_called_once()
    assert capsys.readouterr().out.count("waiting: another instance migrates") == 1
