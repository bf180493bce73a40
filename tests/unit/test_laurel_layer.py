"""A channel layer in memory is refused where several processes would share it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import site
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
        site.refuse_memory_layer({"default": REDIS, "local": MEMORY}, "2")


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


def test_a_database_that_starts_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter([1, 1, 0])
    said: list[str] = []
    monkeypatch.setattr(site, "manage", lambda _arguments: next(codes))
    monkeypatch.setattr(site, "MIGRATE_PAUSE", 0)
    site.migrate(said.append)
    assert said == [f"migration failed, attempt {attempt} of 5" for attempt in (1, 2)]


def test_a_migration_that_fails_every_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(site, "manage", lambda _arguments: 1)
    monkeypatch.setattr(site, "MIGRATE_PAUSE", 0)
    with pytest.raises(LaurelError, match="was not migrated"):
        site.migrate(said.append)
    assert len(said) == site.MIGRATE_ATTEMPTS
