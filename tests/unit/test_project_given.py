"""The settings that are given for a bake."""

from pathlib import Path

import pytest
from project import given
from project.given import GivenError


def test_first_place_that_has_a_setting_wins(tmp_path: Path) -> None:
    (tmp_path / "laurel.env").write_text(
        "PROCESSES=1\nMAX_BODY=1m\nDRAIN_SECONDS=1\nexport LOG_LEVEL=debug\n"
    )
    settings_env = tmp_path / "settings.env"
    settings_env.write_text("PROCESSES=2\nMAX_BODY=2m\n")
    found = given.read(tmp_path, {"PROCESSES": "3", "MAX_BODY": "", "HOME": "/root"}, settings_env)
    assert found.values == {"PROCESSES": "3", "MAX_BODY": "2m", "DRAIN_SECONDS": "1"}
    assert found.exports == {"LOG_LEVEL": "debug"}
    assert found.places["PROCESSES"] == "the command line"
    assert found.places["MAX_BODY"] == "settings.env, line 2"
    assert found.places["DRAIN_SECONDS"] == "laurel.env, line 3"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("PROCESES=2", "laurel.env, line 2: PROCESES is not a setting of the project (PROCESSES?)"),
        (
            "OS=debian-12",
            "laurel.env, line 2: OS is not a setting of the project (give it on the command line)",
        ),
        (
            "DATABASE_URL=postgres://db/site",
            "laurel.env, line 2: DATABASE_URL is not a setting of the project (if the project reads"
            " it, write `export DATABASE_URL=...`)",
        ),
        (
            "STATIC_URL=/",
            "laurel.env, line 2: STATIC_URL=/: not a path below `/`, such as /static/",
        ),
        ("export LOG_LEVEL=verbose", "laurel.env, line 2: LOG_LEVEL=verbose: not one of DEBUG, "),
        ("export DEBUG=true", "laurel.env, line 2: `export DEBUG` cannot be used: it would show"),
    ],
)
def test_unusable_settings_are_refused_with_their_place(
    tmp_path: Path, line: str, problem: str
) -> None:
    (tmp_path / "laurel.env").write_text(f"# a comment\n{line}\n")
    with pytest.raises(GivenError) as raised:
        given.read(tmp_path, {})
    assert str(raised.value).startswith(problem)


def test_every_unusable_setting_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "laurel.env").write_text("oops\nMAX_BODY=much\n")
    with pytest.raises(GivenError) as raised:
        given.read(tmp_path, {"HEALTH_PATH": "nope"})
    assert [line.partition(":")[0] for line in str(raised.value).splitlines()] == [
        *("laurel.env, line 1", "laurel.env, line 2", "the command line")
    ]
