"""Which models are refused because no migration makes their table."""

import shutil
from pathlib import Path

import pytest
from unit.inspected import add, problems

MODEL = "from django.db import models\n\n\nclass Thing(models.Model):\n    pass\n"
REFUSED = "shelf/models.py has models and no migrations"


@pytest.fixture
def project(plain_project: Path) -> Path:
    """A project with an app that has a model and no migration, and is not installed."""
    add(plain_project / "shelf/models.py", MODEL)
    return plain_project


def install(project: Path, settings: str) -> None:
    add(project / "rooms/settings.py", settings)


@pytest.mark.parametrize(
    "settings",
    [
        'INSTALLED_APPS += ["shelf"]',
        'INSTALLED_APPS = ["shelf"] + INSTALLED_APPS',
        'OURS = ["shelf"]\nINSTALLED_APPS = INSTALLED_APPS + list(OURS)',
        'OURS = ("shelf",)\nINSTALLED_APPS = [*INSTALLED_APPS, *OURS]',
        'INSTALLED_APPS.append("shelf")',
        'INSTALLED_APPS.insert(0, "shelf")',
        'INSTALLED_APPS.extend(["shelf"])',
        'INSTALLED_APPS += ["shelf"] + (["debug"] if DEBUG else [])',
        'INSTALLED_APPS += ["shelf"]\nif DEBUG:\n    INSTALLED_APPS = INSTALLED_APPS + ["debug"]',
        'INSTALLED_APPS += ["shelf.ShelfConfig"]',
        'INSTALLED_APPS += ["shelf.config.ShelfConfig"]',
        "INSTALLED_APPS = apps()",
    ],
)
def test_an_installed_app_without_migrations_is_refused(project: Path, settings: str) -> None:
    add(project / "shelf/__init__.py", "")
    add(project / "shelf/config.py", "")
    install(project, settings)
    found = problems(project)
    assert len(found) == 1
    assert found[0].startswith(REFUSED)


@pytest.mark.parametrize(
    "settings",
    [
        'INSTALLED_APPS += ["other"]',
        'A, B = [], []\nOURS = ["talk"]\nINSTALLED_APPS = ["daphne"] + OURS',
        'OURS = ["talk"]\nINSTALLED_APPS = [*OURS, "daphne"]',
        'if DEBUG:\n    INSTALLED_APPS += ["shelf"]',
        'INSTALLED_APPS += ["shelf"]\nINSTALLED_APPS.remove("shelf")',
        'INSTALLED_APPS += ["shelf.things.apps.ThingsConfig"]',
    ],
)
def test_an_app_that_is_not_installed_needs_no_migrations(project: Path, settings: str) -> None:
    add(project / "shelf/things/apps.py", "")
    install(project, settings)
    assert problems(project) == []


def test_lists_of_other_modules_are_added_up(project: Path) -> None:
    add(project / "rooms/lists.py", 'OURS = ["shelf"]')
    shutil.move(project / "rooms/settings.py", project / "rooms/base.py")
    lines = "from .base import *\nfrom .lists import OURS as LOCAL\nINSTALLED_APPS += LOCAL"
    install(project, lines)
    assert problems(project)[0].startswith(REFUSED)
    (project / "rooms/lists.py").write_text("OURS = []")
    assert problems(project) == []


@pytest.mark.parametrize("option", ["managed = False", "proxy = True", "abstract = True"])
def test_a_model_without_a_table_of_its_own_needs_no_migration(project: Path, option: str) -> None:
    install(project, 'INSTALLED_APPS += ["shelf"]')
    models = project / "shelf/models.py"
    models.write_text(f"{MODEL}    class Meta:\n        {option}\n")
    assert problems(project) == []
    models.write_text(models.read_text().replace(option, 'verbose_name = "abstract"'))
    assert problems(project)[0].startswith(REFUSED)


@pytest.mark.parametrize("module", ["None", '"rooms.shelf_migrations"'])
def test_migrations_may_be_elsewhere(project: Path, module: str) -> None:
    install(project, 'INSTALLED_APPS += ["shelf"]\nMIGRATION_MODULES = {"shelf": ' + module + "}")
    assert problems(project) == []


def test_migration_modules_of_other_apps_excuse_none(project: Path) -> None:
    install(project, 'INSTALLED_APPS += ["shelf"]\nMIGRATION_MODULES = {"talk": None}')
    assert problems(project)[0].startswith(REFUSED)


def test_models_of_an_app_that_is_not_installed_may_be_of_another_python(project: Path) -> None:
    (project / "shelf/models.py").write_text(f'{MODEL}\nprint "hello"\n')
    assert problems(project) == []


def test_models_may_be_a_package(project: Path) -> None:
    (project / "shelf/models.py").unlink()
    add(project / "shelf/models/__init__.py", "from .thing import Thing")
    add(project / "shelf/models/thing.py", MODEL)
    install(project, 'INSTALLED_APPS += ["shelf"]')
    found = problems(project)
    assert len(found) == 1
    assert found[0].startswith("shelf/models/thing.py has models and no migrations")
    assert found[0].endswith("makemigrations shelf` and commit shelf/migrations/")
