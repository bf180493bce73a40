"""A project under Django with the settings of laurel_production, each time in a process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


class Project:
    """The project `shop`, whose settings are empty until a test writes them."""

    def __init__(self, folder: Path, production: Path) -> None:
        self.folder = folder
        self.production = production
        (folder / "shop").mkdir()
        self.write("")

    def write(self, text: str) -> None:
        (self.folder / "shop/settings.py").write_text(text)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python as a machine does, with these variables."""
        return subprocess.run(
            [sys.executable, "-B", *arguments],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(self.production),
                "DJANGO_SETTINGS_MODULE": "laurel_production",
                "LAUREL_SETTINGS_MODULE": "shop.settings",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def ask(self, expression: str, **environment: str) -> Any:
        """Return the value of an expression that may use Django's `settings` and `connection`."""
        imports = "import json; from django.conf import settings; from django.db import connection"
        ran = self.run("-c", f"{imports}; print(json.dumps({expression}))", **environment)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)


@pytest.fixture
def project(top: Path, tmp_path: Path) -> Project:
    return Project(tmp_path, top / "provision/production")


def test_django_has_the_projects_settings_and_the_overrides(project: Project) -> None:
    project.write("DEBUG = True\nSTATIC_ROOT = '/own'\nOWN = {'a': [1]}\nhelper = 1\n")
    found = project.ask(
        "{n: getattr(settings, n) for n in dir(__import__('laurel_production')) if n.isupper()}",
        STATIC_ROOT="/srv/static",
    )
    assert sorted(found) == [
        *("DEBUG", "LAUREL_OVERRIDES", "LOGGING", "OWN", "SECURE_PROXY_SSL_HEADER", "STATIC_ROOT")
    ]
    assert (found["DEBUG"], found["STATIC_ROOT"]) == (False, "/srv/static")
    assert found["OWN"] == {"a": [1]}


def test_command_prints_overrides_and_reasons_without_secrets(project: Project) -> None:
    project.write("SECRET_KEY = 'old'\nDEBUG = True\n")
    ran = project.run("-m", "laurel_production", SECRET_KEY="fresh-secret")
    assert ran.stdout.splitlines()[:2] == [
        "SECRET_KEY = ********  <- SECRET_KEY",
        "DEBUG = False  <- DEBUG, false by default",
    ]
    assert "secret" not in ran.stdout


def test_sqlite_commits_survive_a_power_cut(project: Project) -> None:
    options = "{'init_command': 'PRAGMA journal_mode=WAL'}"
    database = f"'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'a.db', 'OPTIONS': {options}"
    project.write(f"DATABASES = {{'default': {{{database}}}}}\n")
    pragmas = "[connection.cursor().execute(f'PRAGMA {x}').fetchone()[0]"
    found = project.ask(
        f"{pragmas} for x in ('synchronous', 'journal_mode')]", STATE_DIR=str(project.folder)
    )
    assert found == [3, "wal"]  # 3 is EXTRA


SAY = """
import logging, django
django.setup()
logging.getLogger("shop").info("sold")
logging.getLogger("django.request").error("broken")
logging.getLogger("shop").debug("detail")
"""
ERROR, INFO, DETAIL = "ERROR django.request: broken", "INFO shop: sold", "DEBUG shop: detail"


@pytest.mark.parametrize(
    ("environment", "lines"),
    [
        ({}, [INFO, ERROR]),
        ({"LOG_LEVEL": "error"}, [ERROR]),
        # Once: Django's own handler for DEBUG is off.
        ({"LOG_LEVEL": "DEBUG", "DEBUG": "true"}, [INFO, ERROR, DETAIL]),
    ],
)
def test_project_without_logging_logs_to_stdout(
    project: Project, environment: dict[str, str], lines: list[str]
) -> None:
    # As a library has it, before logging is configured.
    project.write("import logging\nlogging.getLogger('shop')\n")
    ran = project.run("-c", SAY, **environment)
    assert [line.split(" ", 2)[2] for line in ran.stdout.splitlines()] == lines
    assert ran.stderr == ""
