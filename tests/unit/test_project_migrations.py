"""Which models are refused because no migration creates their table."""

import shutil
from pathlib import Path

import pytest
from unit.inspected import add, problems

MODEL = "from django.db import models\n\n\nclass Thing(models.Model):\n    pass\n"
INSTALLED = 'INSTALLED_APPS += ["shelf"]'


@pytest.fixture
def project(plain_project: Path) -> Path:
    """A project with an app that has a model and no migration, and is not installed."""
    add(plain_project / "shelf/apps.py", "")
    add(plain_project / "shelf/models/__init__.py", "from .thing import Thing")
    add(plain_project / "shelf/models/thing.py", MODEL)
    return plain_project


def is_refused(project: Path, settings: str) -> bool:
    add(project / "rooms/settings.py", settings)
    found = problems(project)
    for problem in found:
        assert problem.startswith("shelf/models/thing.py has models and no migrations: run ")
        assert problem.endswith("makemigrations shelf` and commit shelf/migrations/")
    return bool(found)


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ('OURS = ("shelf",)\nINSTALLED_APPS = [*INSTALLED_APPS] + list(OURS)', True),
        ('INSTALLED_APPS.append("shelf")', True),
        ('INSTALLED_APPS.extend(["shelf"])', True),
        (f'{INSTALLED}\nif DEBUG:\n    INSTALLED_APPS = INSTALLED_APPS + ["debug"]', True),
        ('INSTALLED_APPS += ["shelf.apps.ShelfConfig"]', True),
        ("INSTALLED_APPS = apps()", True),
        (f"if DEBUG:\n    {INSTALLED}", False),
        (f"{INSTALLED} if DEBUG else []", False),
        (f'{INSTALLED}\nINSTALLED_APPS.remove("shelf")', False),
        (f'{INSTALLED}\nMIGRATION_MODULES = {{"shelf": "rooms.moved"}}', False),
    ],
)
def test_installed_app_needs_migrations(project: Path, settings: str, refused: bool) -> None:
    assert is_refused(project, settings) is refused


def test_apps_of_imported_lists_are_installed(project: Path) -> None:
    add(project / "rooms/lists.py", 'OURS = ["shelf"]')
    shutil.move(project / "rooms/settings.py", project / "rooms/base.py")
    lines = "from .base import *\nfrom .lists import OURS as LOCAL\nINSTALLED_APPS += LOCAL"
    assert is_refused(project, lines)


@pytest.mark.parametrize(
    ("option", "refused"),
    [
        ("managed = False", False),
        ("proxy = True", False),
        ("abstract = True", False),
        ('verbose_name = "abstract"', True),
    ],
)
def test_model_without_a_table_needs_no_migration(
    project: Path, option: str, refused: bool
) -> None:
    add(project / "shelf/models/thing.py", f"    class Meta:\n        {option}\n")
    assert is_refused(project, INSTALLED) is refused
