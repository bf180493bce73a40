"""Which variables a project's settings need, by reading them."""

import re
from pathlib import Path

import pytest
from unit.inspected import add, problems

ENV = "import environ\nenv = environ.Env()\n"


def needed(project: Path, settings: str, given: dict[str, str] | None = None) -> list[str]:
    """The names of the variables that the project with these settings is refused for."""
    add(project / "rooms/settings.py", settings)
    found = [re.search(r" needs (\w+) from the environment", text) for text in problems(project)]
    assert all(found), problems(project)
    assert not problems(
        project, dict.fromkeys((one[1] for one in found if one), "x") | (given or {})
    )
    return [one[1] for one in found if one]


@pytest.mark.parametrize(
    "settings",
    [
        'import environ\nenv = environ.Env(DEBUG=(bool, False))\nDEBUG = env("DEBUG")',
        'from environ import FileAwareEnv\nenv = FileAwareEnv(X=(str, ""))\nX = env.str("X")',
        ENV + 'X = env("X", default=None)',
        ENV + 'X = env.list("X", str, [])',
        ENV + 'env.read_env(".env")\nX = env.db(default="sqlite:///x")',
        'from environs import Env\nenv = Env()\nX = env.int("X", 1)\nenv.seal()',
        'from decouple import config\nX = config("X", default="", cast=str)',
    ],
)
def test_a_default_makes_a_variable_needless(plain_project: Path, settings: str) -> None:
    assert needed(plain_project, settings) == []


def test_a_default_may_be_named_in_another_module(plain_project: Path) -> None:
    add(
        plain_project / "rooms/env.py",
        "import environ\nenv = environ.Env(DEBUG=(bool, False), KEY=str)",
    )
    settings = 'from rooms.env import env\nDEBUG = env("DEBUG")\nKEY = env("KEY")'
    assert needed(plain_project, settings) == ["KEY"]


@pytest.mark.parametrize(
    "settings",
    [
        'X = os.environ["X"] if "X" in os.environ else "x"',
        'X = "X" in os.environ and os.environ["X"]',
        'X = [os.environ["X"] for _ in ()]',
        'X = lambda: os.environ["X"]',
        'def x():\n    return os.environ["X"]',
        'if "X" in os.environ:\n    X = os.environ["X"]',
        'while not os:\n    X = os.environ["X"]',
        'for _ in ():\n    X = os.environ["X"]',
        'try:\n    X = os.environ["X"]\nexcept KeyError:\n    X = ""',
        'from contextlib import suppress\nwith suppress(KeyError):\n    X = os.environ["X"]',
        'try:\n    import missing\n    X = os.environ["X"]\nexcept ImportError:\n    X = ""',
    ],
)
def test_what_may_never_run_needs_nothing(plain_project: Path, settings: str) -> None:
    assert needed(plain_project, f"import os\n{settings}") == []


@pytest.mark.parametrize(
    "settings",
    [
        'if os.environ["X"] == "x":\n    pass',
        'while os.environ["X"] == "":\n    pass',
        'X = "x" if os.environ["X"] else ""',
        'X = os.environ["X"] or "x"',
        'for x in os.environ["X"].split():\n    pass',
        'class Settings:\n    X = os.environ["X"]',
        'try:\n    X = os.environ["X"]\nfinally:\n    pass',
    ],
)
def test_what_always_runs_needs_its_variables(plain_project: Path, settings: str) -> None:
    assert needed(plain_project, f"import os\n{settings}") == ["X"]


def test_what_the_settings_assign_they_need_not_be_given(plain_project: Path) -> None:
    settings = (
        'import os\nos.environ.setdefault("X", "x")\nos.environ["Y"] = "y"\n'
        'if os.name:\n    os.environ["Z"] = "z"\n'
        'ALL = os.environ["X"] + os.environ["Y"] + os.environ["Z"]'
    )
    assert needed(plain_project, settings) == []


def test_what_is_assigned_after_it_was_read_is_needed(plain_project: Path) -> None:
    assert needed(plain_project, f'import os\n{ENV}os.environ["X"] = env("X")') == ["X"]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ('env.cache_url("X")', "X"),
        ('env.path("X")', "X"),
        ('env.dict("X")', "X"),
        ('env.tuple("X")', "X"),
        ('env.bytes("X")', "X"),
        ('env.dj_db_url("X")', "X"),
        ('env.timedelta("X")', "X"),
        ('env("X", str)', "X"),
        ('env("X", cast=str)', "X"),
        ("env.db()", "DATABASE_URL"),
        ("env.db_url(engine='x')", "DATABASE_URL"),
        ("env.cache()", "CACHE_URL"),
        ("env.email()", "EMAIL_URL"),
        ("env.search_url()", "SEARCH_URL"),
    ],
)
def test_any_method_of_env_needs_its_variable(plain_project: Path, call: str, name: str) -> None:
    assert needed(plain_project, f"{ENV}X = {call}") == [name]


def test_a_cast_of_decouples_is_no_default(plain_project: Path) -> None:
    assert needed(plain_project, 'from decouple import config\nX = config("X", cast=int)') == ["X"]


def test_a_prefix_belongs_to_the_name(plain_project: Path) -> None:
    settings = 'from environs import env\nwith env.prefixed("A_"):\n    X = env("X")\nY = env("Y")'
    assert needed(plain_project, settings) == ["A_X", "Y"]


@pytest.mark.parametrize(
    "settings",
    [
        'import os\nenv = os.environ.get\nX = env("X")',
        'from os import getenv as env\nX = env("X")',
        'import os\ndef env(name):\n    return os.environ.get(name)\nX = env("X")',
        'from dj_database_url import config\nX = config("X")',
        'from jinja2 import Environment\nenv = Environment()\nX = env.get_template("X")',
    ],
)
def test_another_function_of_that_name_needs_nothing(plain_project: Path, settings: str) -> None:
    assert needed(plain_project, settings) == []


def test_env_may_have_another_name(plain_project: Path) -> None:
    settings = 'import environ\nENV = environ.Env()\nX = ENV("X")\nY = ENV.int("Y")'
    assert needed(plain_project, settings) == ["X", "Y"]


def test_modules_that_the_settings_import_run_too(plain_project: Path) -> None:
    add(plain_project / "rooms/conf/__init__.py", "from . import queues")
    add(plain_project / "rooms/conf/queues.py", 'import os\nQUEUE = os.environ["QUEUE"]')
    assert needed(plain_project, "from .conf import queues") == ["QUEUE"]


def test_a_module_that_a_condition_imports_may_never_run(plain_project: Path) -> None:
    add(plain_project / "rooms/local.py", 'import os\nX = os.environ["X"]')
    assert needed(plain_project, "if DEBUG:\n    from .local import *") == []


def test_local_settings_that_are_there_are_imported(plain_project: Path) -> None:
    add(plain_project / "rooms/local.py", 'import os\nX = os.environ["X"]')
    settings = "try:\n    from .local import *\nexcept ImportError:\n    pass"
    assert needed(plain_project, settings) == ["X"]


def test_a_secret_is_not_asked_for_in_the_image(plain_project: Path) -> None:
    add(plain_project / "rooms/settings.py", 'K = os.environ["MAIL_KEY"]\nH = os.environ["HOST"]')
    key, host = problems(plain_project)
    assert "the secret itself belongs into /etc/laurel/site.env" in key
    assert "secret" not in host
