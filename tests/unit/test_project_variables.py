"""Which environment variables a project is refused for."""

from pathlib import Path

import pytest
from project.checks import variables
from project.source.modules import Modules
from project.source.tree import Tree
from unit.inspected import add, problems

ENV = "import environ\nenv = environ.Env()\n"


def needed(folder: Path, settings: str) -> list[str]:
    """The variables that importing these settings needs."""
    add(folder / "settings.py", f"import os\n{settings}")
    return [name for name, _ in variables.needed(Modules(Tree(folder), folder), "settings")]


@pytest.mark.parametrize(
    "settings",
    [
        # A default.
        'import environ\nenv = environ.Env(DEBUG=(bool, False))\nDEBUG = env("DEBUG")',
        ENV + 'X = env.list("X", str, [])',
        ENV + 'env.read_env(".env")\nX = env.db(default="sqlite:///x")',
        'from environs import Env\nenv = Env()\nX = env.int("X", 1)\nenv.seal()',
        'from decouple import config\nX = config("X", default="", cast=str)',
        # Code that may not run.
        'X = os.environ["X"] if "X" in os.environ else "x"',
        'def x():\n    return os.environ["X"]',
        'if "X" in os.environ:\n    X = os.environ["X"]',
        'try:\n    X = os.environ["X"]\nexcept KeyError:\n    X = ""',
        'from contextlib import suppress\nwith suppress(KeyError):\n    X = os.environ["X"]',
        'try:\n    import missing\n    X = os.environ["X"]\nexcept ImportError:\n    X = ""',
        # Another function of that name.
        'def env(name):\n    return os.environ.get(name)\nX = env("X")',
        'from dj_database_url import config\nX = config("X")',
        # A variable that the settings set themselves.
        'os.environ.setdefault("X", "x")\nX = os.environ["X"]',
        'if os.name:\n    os.environ["X"] = "x"\nX = os.environ["X"]',
    ],
)
def test_settings_that_need_no_variable(tmp_path: Path, settings: str) -> None:
    assert needed(tmp_path, settings) == []


@pytest.mark.parametrize(
    "settings",
    [
        'if os.environ["X"] == "x":\n    pass',
        'X = [x for x in os.environ["X"].split()]',
        'class Settings:\n    X = os.environ["X"]',
        'try:\n    X = os.environ["X"]\nfinally:\n    pass',
        ENV + 'os.environ["X"] = env("X")',
        ENV + 'X = env.path("X")',
        'from decouple import config\nX = config("X", cast=int)',
        'import environ\nENV = environ.Env()\nX = ENV.int("X", int)',
    ],
)
def test_settings_that_need_a_variable(tmp_path: Path, settings: str) -> None:
    assert needed(tmp_path, settings) == ["X"]


def test_methods_and_prefixes_of_env_name_variables(tmp_path: Path) -> None:
    lines = 'A = env.db()\nB = env.cache_url()\nwith env.prefixed("A_"):\n    C = env("X")\n'
    found = needed(tmp_path, ENV + lines + 'D = env("X")')
    assert found == ["DATABASE_URL", "CACHE_URL", "A_X", "X"]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ('from local import env\nDEBUG = env("DEBUG")\nX = env("X")', ["Y", "X"]),
        ("try:\n    from local import *\nexcept ImportError:\n    pass", ["Y"]),
        ("if DEBUG:\n    from local import *", []),
    ],
)
def test_imported_modules_run_too(tmp_path: Path, settings: str, names: list[str]) -> None:
    add(tmp_path / "local.py", "import environ\nenv = environ.Env(DEBUG=(bool, False), X=str)")
    add(tmp_path / "local.py", 'Y = env("Y")')
    assert needed(tmp_path, settings) == names


def test_secret_belongs_on_the_machine(plain_project: Path) -> None:
    add(plain_project / "rooms/settings.py", 'K = os.environ["MAIL_KEY"]\nH = os.environ["HOST"]')
    key, host = problems(plain_project)
    assert "put the secret itself into /etc/laurel/site.env" in key
    assert "secret" not in host
    assert problems(plain_project, {"MAIL_KEY": "x", "HOST": "x"}) == []
