"""How the answers of a project become a report."""

import json
import re
from pathlib import Path

import pytest
import report
from project.examination import Examination, answered, examine, installed

ANSWER = {
    "errors": [],
    "unchecked": [],
    "warnings": [{"place": "a.py, line 3", "text": "odd \x1b[31m" + "word " * 60}],
    "STATIC_URL": "assets/",
    "MEDIA_URL": "https://cdn.example/",
    "places": {"STATIC_URL": "rooms/settings.py, line 9"},
    "pages": [{"path": "/ok/", "place": "rooms/urls.py, line 4"}],
    "HEALTH_PATH": "/ok/",
    "layers": {"CHANNEL_LAYERS['default']": "channels_redis.core.RedisChannelLayer"},
}


@pytest.fixture
def examined(plain_project: Path) -> Examination:
    return examine(plain_project, {}, "3.13")


def test_report_is_plain_text_of_short_lines(examined: Examination) -> None:
    answered(examined, ANSWER)
    lines = list(report.text(examined))
    assert "  STATIC_URL       /assets/" in "\n".join(lines)
    assert "MEDIA_URL" not in "\n".join(lines)
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines)) < 120
    assert json.loads(report.as_json(examined))["settings"]["HEALTH_PATH"] == {
        "value": "/ok/",
        "place": "rooms/urls.py, line 4",
    }


def test_given_settings_win_over_answers(plain_project: Path) -> None:
    examined = examine(plain_project, {"HEALTH_PATH": "/mine"}, "3.13")
    answered(examined, ANSWER)
    assert examined.settings["HEALTH_PATH"] == "/mine"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"STATIC_URL": "/"}, ""),
        ({"STATIC_URL": "/a;b/"}, "STATIC_URL=/a;b/: "),
        ({"MEDIA_URL": "/assets/"}, "MEDIA_URL=/assets/: STATIC_URL is the same path"),
        ({"layers": {"X": "channels.layers.InMemoryChannelLayer"}}, "X is channels.layers.InMem"),
    ],
)
def test_answers_that_a_machine_cannot_use_are_errors(
    examined: Examination, changed: dict[str, object], error: str
) -> None:
    answered(examined, {**ANSWER, **changed})
    assert any(error in one for one in examined.errors) if error else examined.errors == []


@pytest.mark.parametrize(
    ("versions", "error"),
    [
        ({"channels": "4.3.2"}, ""),
        ({}, "requirements.txt: no channels: this is not a Channels project"),
        (
            {"channels": "2.4.0"},
            r"requirements.txt, line \d: channels 2.4.0: no main",
        ),
    ],
)
def test_installed_versions_are_checked(
    examined: Examination, versions: dict[str, str], error: str
) -> None:
    installed(examined, versions)
    assert [bool(re.match(error, one)) for one in examined.errors] == [True] * bool(error)
