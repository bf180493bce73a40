"""Projects that read django.conf.settings while their settings load."""

import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = """\
from datetime import timedelta
SECRET_KEY = "baked"
TASK_ZONE = "Europe/Berlin"
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "static/"
"""
SHOW = (
    "from django.conf import settings; import django; django.setup();"
    " print(settings.SECRET_KEY, settings.STATIC_ROOT, settings.DEBUG, *{names})"
)


@pytest.mark.parametrize(
    ("package", "settings", "names", "shown"),
    [
        # Celery's documented layout: the package starts the application, which reads a setting.
        (
            "from .tasks import zone\n",
            SETTINGS,
            "[__import__('site_x').zone]",
            "Europe/Berlin",
        ),
        # A JWT library's documented layout: the settings read SECRET_KEY through Django.
        (
            "",
            f"{SETTINGS}from django.conf import settings\nJWT = settings.SECRET_KEY\n",
            "[settings.JWT]",
            "of-this-machine",
        ),
    ],
    ids=["celery", "jwt"],
)
def test_settings_are_readable_while_they_load(
    top: Path, tmp_path: Path, package: str, settings: str, names: str, shown: str
) -> None:
    (tmp_path / "site_x").mkdir()
    (tmp_path / "site_x/__init__.py").write_text(package)
    (tmp_path / "site_x/tasks.py").write_text(
        "from django.conf import settings\nzone = settings.TASK_ZONE\n"
    )
    (tmp_path / "site_x/settings.py").write_text(settings)
    ran = subprocess.run(
        [sys.executable, "-c", SHOW.format(names=names)],
        cwd=tmp_path,
        env={
            "DJANGO_SETTINGS_MODULE": "laurel_production",
            "LAUREL_SETTINGS_MODULE": "site_x.settings",
            "PYTHONPATH": f"{top / 'provision/production'}:{tmp_path}",
            "SECRET_KEY": "of-this-machine",
            "STATIC_ROOT": "/srv/static",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""
    assert ran.stdout == f"of-this-machine /srv/static False {shown}\n"
