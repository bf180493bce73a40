"""A channel layer in memory is refused where several processes would share it."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from laurel import procfile, site
from laurel.errors import LaurelError
from laurel.settings import Settings

MEMORY = "channels.layers.InMemoryChannelLayer"
REDIS = "channels_redis.core.RedisChannelLayer"

WriteProject = Callable[[str], None]


@pytest.fixture
def write_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteProject:
    """Writes the settings of a project, which the real snippet then imports."""

    def command(*arguments: str) -> list[str]:
        assert arguments[0] == f"{site.CURRENT}/venv/bin/python"
        return ["env", "-C", str(tmp_path), sys.executable, "-B", *arguments[1:]]

    monkeypatch.setattr(site, "command", command)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tiny.settings")

    def write(text: str) -> None:
        (tmp_path / "tiny").mkdir()
        (tmp_path / "tiny" / "settings.py").write_text(text)

    return write


def layers(backend: str) -> str:
    return f"CHANNEL_LAYERS = {{'default': {{'BACKEND': {backend!r}, 'CONFIG': {{'x': object}}}}}}"


@pytest.mark.parametrize("processes", ["2", "4", "auto"])
def test_a_layer_in_memory_is_refused_for_several_processes(
    write_project: WriteProject, make_settings: Callable[..., Settings], processes: str
) -> None:
    write_project(layers(MEMORY))
    with pytest.raises(LaurelError) as caught:
        site.check_layer(make_settings(PROCESSES=processes))
    message = str(caught.value)
    for part in ("'default'", MEMORY, f"PROCESSES={processes}", "channels_redis", "PROCESSES=1"):
        assert part in message


@pytest.mark.parametrize(
    ("text", "processes"),
    [
        (layers(MEMORY), "1"),
        (layers(REDIS), "auto"),
        ("CHANNEL_LAYERS = {}", "4"),
        ("DEBUG = False", "4"),
        ("print('a settings module may talk')\n" + layers(REDIS), "4"),
    ],
    ids=["memory, one process", "redis", "no layer", "no channels", "talkative"],
)
def test_what_loses_nothing_is_accepted(
    write_project: WriteProject,
    make_settings: Callable[..., Settings],
    text: str,
    processes: str,
) -> None:
    write_project(text)
    site.check_layer(make_settings(PROCESSES=processes))


def test_one_layer_in_memory_among_others_is_found() -> None:
    with pytest.raises(LaurelError, match="'local'"):
        site.refuse_memory_layer({"default": REDIS, "local": MEMORY}, "2", "same")


def test_a_server_of_its_own_for_plain_http_is_another_process(
    write_project: WriteProject, make_settings: Callable[..., Settings]
) -> None:
    write_project(layers(MEMORY))
    site.check_layer(make_settings(PROCESSES="1"))
    with pytest.raises(LaurelError, match="PROCESSES=1, HTTP_SERVER=gunicorn"):
        site.check_layer(make_settings(PROCESSES="1", HTTP_SERVER="gunicorn"))


def test_settings_that_fail_are_shown(
    write_project: WriteProject, make_settings: Callable[..., Settings]
) -> None:
    write_project("raise RuntimeError('no SECRET_KEY')")
    with pytest.raises(LaurelError, match=r"settings can't be read:[^$]*no SECRET_KEY"):
        site.check_layer(make_settings())


def test_commands_of_the_site_run_as_its_user_where_root_runs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert site.command("true")[:4] == ["runuser", "-u", "site", "--"]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert site.command("true")[0] == "/usr/lib/laurel/exec-site"


@pytest.fixture
def booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a machine that has booted: its release, and its site's environment."""
    (tmp_path / "one").mkdir()
    (tmp_path / "current").symlink_to("one")
    (tmp_path / "environment").write_text("SECRET_KEY=x\n")
    monkeypatch.setattr(site, "CURRENT", tmp_path / "current")
    monkeypatch.setattr(site, "ENVIRONMENT", tmp_path / "environment")
    monkeypatch.setattr(site, "MIGRATED", tmp_path / "migrated")
    monkeypatch.setattr(site, "MIGRATE_LOCK", tmp_path / "migrate.lock")
    return tmp_path


@pytest.mark.usefixtures("booted")
def test_a_database_that_starts_late_is_waited_for(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter([1, 1, 0])
    said: list[str] = []
    monkeypatch.setattr(site, "release", lambda _settings: next(codes))
    monkeypatch.setattr(site, "MIGRATE_PAUSE", 0)
    site.migrate(make_settings(), said.append)
    assert said == [f"migration failed, attempt {attempt} of 5" for attempt in (1, 2)]


@pytest.mark.usefixtures("booted")
def test_a_migration_that_fails_every_time_is_an_error(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(site, "release", lambda _settings: 1)
    monkeypatch.setattr(site, "MIGRATE_PAUSE", 0)
    with pytest.raises(LaurelError, match="was not migrated"):
        site.migrate(make_settings(), said.append)
    assert len(said) == site.MIGRATE_ATTEMPTS


@pytest.mark.usefixtures("booted")
def test_a_database_that_is_not_there_yet_is_waited_for_longer(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter([site.UNREACHABLE] * 20 + [0])
    said: list[str] = []
    monkeypatch.setattr(site, "release", lambda _settings: next(codes))
    monkeypatch.setattr(site, "MIGRATE_PAUSE", 0)
    site.migrate(make_settings(), said.append)
    assert said == ["the database is waited for"] * 20


@pytest.mark.usefixtures("booted")
def test_a_database_that_never_comes_is_an_error(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "release", lambda _settings: site.UNREACHABLE)
    monkeypatch.setattr(site, "MIGRATE_PAUSE", 0)
    monkeypatch.setattr(site, "DATABASE_SECONDS", 0)
    with pytest.raises(LaurelError, match="was not migrated"):
        site.migrate(make_settings(), lambda _: None)
    assert site.outdated()


@pytest.mark.usefixtures("booted")
def test_an_administrator_that_can_not_be_made_is_told_once_the_database_is_migrated(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "release", lambda _settings: site.NO_ADMINISTRATOR)
    with pytest.raises(LaurelError, match="first administrator was not made"):
        site.migrate(make_settings(), lambda _: None)
    assert not site.outdated()


@pytest.mark.usefixtures("booted")
def test_two_migrations_of_one_machine_do_not_meet(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def once_more(settings: Settings) -> int:
        with pytest.raises(LaurelError, match="another `laurel migrate` is at work"):
            site.migrate(settings, lambda _: None)
        return 0

    monkeypatch.setattr(site, "release", once_more)
    site.migrate(make_settings(), lambda _: None)


def test_a_release_is_migrated_once_unless_its_settings_change(
    booted: Path, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter([0, 1, 0])
    monkeypatch.setattr(site, "release", lambda _settings: next(codes))
    monkeypatch.setattr(site, "MIGRATE_PAUSE", 0)
    assert site.outdated()
    site.migrate(make_settings(), print)
    assert not site.outdated()
    (booted / "environment").write_text("SECRET_KEY=x\nDATABASE_URL=postgres://b/c\n")
    assert site.outdated()
    site.migrate(make_settings(), print)
    assert not site.outdated()
    (booted / "two").mkdir()
    (booted / "current").unlink()
    (booted / "current").symlink_to("two")
    assert site.outdated()


def test_the_release_command_runs_where_the_procfile_is_with_the_administrator(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    python = tmp_path / "venv/bin/python"
    python.write_text(
        "#!/bin/sh\n"
        'printf "%s\\n" "$@" "$DJANGO_SUPERUSER_USERNAME" >"$(dirname "$0")/got"\n'
        "exit 3\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr(procfile, "CURRENT", tmp_path)
    monkeypatch.setattr(site, "CURRENT", tmp_path)
    monkeypatch.setattr(site, "command", lambda *arguments: list(arguments))
    settings = replace(
        make_settings(PROCFILE="deploy/Procfile", RELEASE_COMMAND="make it & so"),
        administrator={"DJANGO_SUPERUSER_USERNAME": "ada"},
    )
    assert site.release(settings) == 3
    assert (tmp_path / "venv/bin/got").read_text().splitlines() == [
        *("-m", "laurel_migrate", f"{tmp_path}/app/deploy", "make it & so", "ada")
    ]
