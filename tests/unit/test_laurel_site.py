"""When the site's database is migrated, and the commands that run for it."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from laurel import procfile, site
from laurel.errors import LaurelError
from laurel.settings import Settings

Migrate = Callable[[Iterable[int]], list[str]]

UNREACHABLE, NO_ADMINISTRATOR = site.UNREACHABLE, site.NO_ADMINISTRATOR


@pytest.fixture(autouse=True)
def booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a machine that has booted: its release, and its site's environment."""
    (tmp_path / "one").mkdir()
    (tmp_path / "current").symlink_to("one")
    (tmp_path / "environment").write_text("SECRET_KEY=x\n")
    monkeypatch.setattr(site, "CURRENT", tmp_path / "current")
    monkeypatch.setattr(site, "ENVIRONMENT", tmp_path / "environment")
    monkeypatch.setattr(site, "MIGRATED", tmp_path / "migrated")
    monkeypatch.setattr(site, "MIGRATE_LOCK", tmp_path / "migrate.lock")
    monkeypatch.setattr(site, "MIGRATE_PAUSE", 0)
    return tmp_path


@pytest.fixture
def migrate(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Migrate:
    """Migrates with a release command that has these exit codes; returns the messages."""

    def run(codes: Iterable[int]) -> list[str]:
        messages: list[str] = []
        remaining = iter(codes)
        monkeypatch.setattr(site, "release", lambda _settings: next(remaining))
        site.migrate(make_settings(), messages.append)
        assert list(remaining) == []
        return messages

    return run


def test_failed_migration_is_repeated(migrate: Migrate) -> None:
    waiting = [UNREACHABLE] * 20  # does not count as an attempt
    assert migrate([*waiting, 1, 1, 0]) == [
        *["waiting for the database"] * 20,
        *(f"migration failed, attempt {number} of 5" for number in (1, 2)),
    ]
    assert not site.outdated()


@pytest.mark.parametrize("code", [1, UNREACHABLE])
def test_migration_that_always_fails_is_an_error(
    migrate: Migrate, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(site, "DATABASE_SECONDS", 0)
    with pytest.raises(LaurelError, match="was not migrated"):
        migrate([code] * site.MIGRATE_ATTEMPTS)
    assert site.outdated()


def test_missing_administrator_is_reported_after_the_migration(migrate: Migrate) -> None:
    with pytest.raises(LaurelError, match="first administrator was not made"):
        migrate([NO_ADMINISTRATOR])
    assert not site.outdated()


def test_second_migration_of_a_machine_is_refused(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def once_more(settings: Settings) -> int:
        with pytest.raises(LaurelError, match="another `laurel migrate`"):
            site.migrate(settings, print)
        return 0

    monkeypatch.setattr(site, "release", once_more)
    site.migrate(make_settings(), print)


def test_release_is_migrated_again_when_it_or_its_settings_change(
    booted: Path, migrate: Migrate
) -> None:
    assert site.outdated()
    migrate([0])
    assert not site.outdated()
    (booted / "environment").write_text("SECRET_KEY=x\nDATABASE_URL=postgres://b/c\n")
    assert site.outdated()
    migrate([0])
    assert not site.outdated()
    (booted / "two").mkdir()
    (booted / "current").unlink()
    (booted / "current").symlink_to("two")
    assert site.outdated()


def test_release_command_runs_beside_the_procfile_with_the_administrator(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[tuple[list[str], str]] = []

    def run(command: list[str], *, env: dict[str, str], **_: bool) -> SimpleNamespace:
        ran.append((command, env["DJANGO_SUPERUSER_USERNAME"]))
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr(procfile, "CURRENT", tmp_path)
    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    settings = replace(
        make_settings(PROCFILE="deploy/Procfile", RELEASE_COMMAND="make it & so"),
        administrator={"DJANGO_SUPERUSER_USERNAME": "ada"},
    )
    assert site.release(settings) == 3
    python = f"{tmp_path}/current/venv/bin/python"
    command = ["env", "-C", f"{tmp_path}/current/django", python, "-m", "laurel_migrate"]
    as_site = ["runuser", "-u", "site", "--", "/usr/lib/laurel/exec-site"]
    assert ran == [([*as_site, *command, f"{tmp_path}/app/deploy", "make it & so"], "ada")]
