"""What several files of unit tests need."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from laurel.schema import BAKED, SETTINGS
from laurel.settings import Settings

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def top() -> Path:
    """The repository."""
    return TOP


@pytest.fixture(scope="session")
def machine_files(top: Path) -> Path:
    """The files that a machine gets, laid out as its root."""
    return top / "provision" / "files"


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Makes the settings of a machine: `processes`, and any other by its name."""

    def make(processes: int = 3, **values: str) -> Settings:
        defaults = {
            **{name: SETTINGS[name].default for name in BAKED},
            "ASGI_APPLICATION": "mysite.asgi:application",
            "WSGI_APPLICATION": "mysite.wsgi:application",
            "SETTINGS_MODULE": "mysite.settings",
            "RELEASE_COMMAND": "python manage.py migrate --noinput",
            "HEALTH_PATH": "/healthz",
            "PROCESSES": str(processes),
        }
        return Settings(processes=processes, environment={}, values={**defaults, **values})

    return make


@pytest.fixture
def plain_project(top: Path, tmp_path: Path) -> Path:
    """A copy of a project that works, which may be edited; its settings are rooms/settings.py."""
    return shutil.copytree(top / "tests" / "projects" / "long_poll", tmp_path / "project")


@pytest.fixture
def production(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """laurel_production, loaded for an empty project in an empty environment.

    It is not in sys.modules, so every test has its own. `tmp_path` is on the Python path.
    """
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setitem(sys.modules, "no_settings", type(sys)("no_settings"))
    path = top / "provision" / "production" / "laurel_production.py"
    spec = importlib.util.spec_from_file_location("laurel_production", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as loading:
        loading.setattr(os, "environ", {"LAUREL_SETTINGS_MODULE": "no_settings"})
        spec.loader.exec_module(module)
    return module
