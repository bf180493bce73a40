"""The channel layers of a project's own settings, which a Python process of the site reads."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from laurel import site
from laurel.errors import LaurelError
from laurel.settings import Settings

Check = Callable[[str, str], None]

MEMORY = "CHANNEL_LAYERS = {'default': {'BACKEND': 'channels.layers.InMemoryChannelLayer'}}"
REDIS = "CHANNEL_LAYERS = {'default': {'BACKEND': 'channels_redis.core.RedisChannelLayer'}}"


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> Check:
    """Checks the layers of a settings module with this text, for PROCESSES."""

    def command(*arguments: str) -> list[str]:
        assert arguments[0] == f"{site.CURRENT}/venv/bin/python"
        return ["env", "-C", str(tmp_path), sys.executable, "-B", *arguments[1:]]

    def run(text: str, processes: str) -> None:
        (tmp_path / "tiny_settings.py").write_text(text)
        site.check_layer(make_settings(PROCESSES=processes))

    monkeypatch.setattr(site, "command", command)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tiny_settings")
    return run


def test_layer_in_memory_is_refused_for_two_processes(check: Check) -> None:
    with pytest.raises(LaurelError, match=r"^CHANNEL_LAYERS\['default'\] is .*PROCESSES=2,"):
        check(MEMORY, "2")


@pytest.mark.parametrize("text", [f"print('settings may print')\n{REDIS}", "DEBUG = False"])
def test_other_projects_are_accepted(check: Check, text: str) -> None:
    check(text, "2")


def test_error_in_the_projects_settings_is_shown(check: Check) -> None:
    with pytest.raises(LaurelError, match=r"settings can't be read:[^$]*no SECRET_KEY"):
        check("raise RuntimeError('no SECRET_KEY')", "2")
