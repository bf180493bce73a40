"""What inspection finds in a project, and which projects it refuses before anything is built."""

import re
import shutil
from pathlib import Path

import pytest
from project.inspection import inspect
from project.overrides import overrides
from unit.inspected import add, notes, problems, settled


@pytest.fixture
def projects(top: Path) -> Path:
    return top / "tests" / "projects"


# Findings


def test_project_deep_in_its_repository_is_found(projects: Path) -> None:
    found = settled(projects / "deep_root")
    expected = {
        "DJANGO_ROOT": "backend/src",
        "SETTINGS_MODULE": "config.settings.production",
        "ASGI_APPLICATION": "config.asgi:application",
        "WSGI_APPLICATION": "config.wsgi:application",
        "REQUIREMENTS": "backend/requirements/production.txt",
        "STATIC_URL": "/assets/",
        "STATIC_FILE": "/assets/board/board.css",
        "MEDIA_URL": "/media/",
        "WEBSOCKET_PATH": "/ws/board/",
    }
    assert {name: found[name][0] for name in expected} == expected
    assert found["SETTINGS_MODULE"][1].startswith("backend/src/config/asgi.py, line ")


@pytest.mark.parametrize(
    "given",
    ["DJANGO_ROOT=src", "SETTINGS_MODULE=a.b", "ASGI_APPLICATION=a.b", "REQUIREMENTS=a.txt"],
)
def test_unusable_given_setting_is_refused(plain_project: Path, given: str) -> None:
    name, _, value = given.partition("=")
    (problem,) = problems(plain_project, {name: value})
    assert name in problem
    assert value in problem


@pytest.mark.parametrize("folder", ["venv/site", ".hidden"])
def test_other_peoples_folders_are_not_searched(plain_project: Path, folder: str) -> None:
    (plain_project / folder).mkdir(parents=True)
    shutil.move(plain_project / "manage.py", plain_project / folder)
    (problem,) = problems(plain_project)
    assert "has no manage.py" in problem


def test_last_assignment_of_a_setting_counts(plain_project: Path) -> None:
    add(plain_project / "rooms/settings.py", 'STATIC_URL = "files/"\nSTATIC_URL += VERSION')
    assert settled(plain_project)["STATIC_URL"][0] == "/files/"


def test_asgi_file_that_imports_channels_comes_first(plain_project: Path) -> None:
    settings = plain_project / "rooms/settings.py"
    settings.write_text(settings.read_text().replace("ASGI_APPLICATION", "OLD"))
    add(
        plain_project / "aside/asgi.py",
        "import os\nfrom django.core.asgi import get_asgi_application\n"
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rooms.settings")\n'
        "application = get_asgi_application()\n",
    )
    assert settled(plain_project)["ASGI_APPLICATION"][0] == "rooms.asgi:application"


def test_wsgi_application_is_optional(plain_project: Path) -> None:
    add(plain_project / "rooms/settings.py", 'WSGI_APPLICATION = "rooms.wsgi.application"')
    assert "WSGI_APPLICATION" not in settled(plain_project)
    add(plain_project / "rooms/wsgi.py", "application = get_wsgi_application()\n")
    assert settled(plain_project)["WSGI_APPLICATION"][0] == "rooms.wsgi:application"


# Refusals


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no_asgi", r"no asgi\.py, and bakery.settings has no ASGI_.* Add bakery/asgi\.py"),
        ("channels_1", r"requirements\.txt, line \d+: channels==1\.1\.8: .* Channels 1 and 2"),
        ("channels_2", r"requirements\.txt, line \d+: channels==2\.4\.0: .* Channels 1 and 2"),
        ("two_roots", r"shop and stock each have a manage\.py: .*DJANGO_ROOT=shop$"),
        ("hard_settings", r"ferry/asgi\.py, line \d+ assigns DJANGO_SETTINGS_MOD.*setdefault"),
        ("memory_layer", r"garden/settings\.py, line \d+: CHANNEL_LAYERS is .*PROCESSES=1"),
        (
            "models_before_setup",
            r"office/asgi\.py, line 4 imports chat\.routing, which imports chat\.consumers, which"
            r" imports chat\.models, before line 11 .*Move line 4 below line 11$",
        ),
        ("no_migrations", r"recipes/models\.py has models and .*makemigrations recipes"),
        (
            "placeholder_database",
            r"library/settings\.py, line \d+: .*your-db-host\.example\.com is a placeholder:"
            r".*export DATABASE_URL=",
        ),
        ("placeholder_redis", r"chess/settings\.py, line \d+: the Redis host redis\.example\.com "),
        ("settings_fail", r"theatre/settings\.py, line \d+ needs PAYMENT_API_KEY .*export PAYMEN"),
        ("../pipfile", r"Pipfile has no lock file beside it: run `pipenv lock`"),
        ("../https_redirect", r"pyproject\.toml has no lock .*run `poetry lock`"),
    ],
)
def test_project_is_refused_for_its_one_fault(projects: Path, name: str, text: str) -> None:
    (problem,) = problems(projects / "refused" / name)
    assert re.match(text, problem), problem


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("source_build", {}),
        ("../../app", {}),
        ("refused/memory_layer", {"PROCESSES": "1"}),
        ("refused/memory_layer", {"PROCESSES": "2", "CHANNEL_LAYER": "pubsub"}),
        ("refused/settings_fail", {"PAYMENT_API_KEY": "x"}),
        ("refused/placeholder_database", {"DATABASE_URL": "postgres://site@db.internal/site"}),
    ],
)
def test_working_project_is_not_refused(projects: Path, name: str, given: dict[str, str]) -> None:
    assert problems(projects / name, given) == []
    assert not [one for one in notes(projects / name, given) if "does not come up" in one]


def test_settings_in_a_class_are_refused(plain_project: Path) -> None:
    settings = plain_project / "rooms/settings.py"
    settings.write_text(f"from configurations import Configuration\n{settings.read_text()}")
    (problem,) = problems(plain_project)
    assert problem.startswith("rooms/settings.py, line 1: the settings are in a class")


def test_syntax_error_names_its_file(plain_project: Path) -> None:
    add(plain_project / "rooms/settings.py", "DEBUG = = True")
    with pytest.raises(SyntaxError) as raised:
        inspect(plain_project, {})
    assert raised.value.filename == "rooms/settings.py"


@pytest.mark.parametrize("name", ["requirements.txt", "Procfile", "pyproject.toml", "uv.lock"])
def test_file_that_is_not_utf_8_is_refused(plain_project: Path, name: str) -> None:
    (plain_project / name).write_bytes(b"a: b\n# caf\xe9\nc: d\n")
    assert problems(plain_project) == [f"{name}, line 2: not UTF-8: save it as UTF-8"]


# Settings that Laurel overrides


@pytest.mark.parametrize(("given", "is_off"), [({}, True), ({"TLS_IN_FRONT": "yes"}, False)])
def test_overridden_settings_are_reported_with_their_place(
    plain_project: Path, given: dict[str, str], is_off: bool
) -> None:
    settings = "SECURE_SSL_REDIRECT = True\nSECURE_HSTS_SECONDS = 0"
    add(plain_project / "rooms/settings.py", settings)
    places = {name: place for name, _, place in overrides(inspect(plain_project, {}), given)}
    assert places["CHANNEL_LAYERS"].startswith("rooms/settings.py, line ")
    assert ("SECURE_SSL_REDIRECT" in places) is is_off
    assert "SECURE_HSTS_SECONDS" not in places
