"""Which checks a machine's settings choose, and that a machine of other checks is noticed."""

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from acceptance.settings import DEFAULTS

GUNICORN = {**DEFAULTS, "HTTP_SERVER": "gunicorn"}
GRANIAN = {**DEFAULTS, "ASGI_SERVER": "granian"}


class Check:
    """As much of a collected check as is looked at."""

    def __init__(self, *marks: tuple[str, dict[str, Any]]) -> None:
        self.marks = marks

    def iter_markers(self, name: str) -> Iterator[pytest.Mark]:
        return (
            getattr(pytest.mark, kind)(**settings).mark
            for kind, settings in self.marks
            if kind == name
        )


ANY = Check()
WSGI = Check(("where", {"HTTP_SERVER": "gunicorn"}))
SHARING = Check(("where", {"ASGI_SERVER": ("daphne", "hypercorn")}))
ALONE = Check(("unless", {"ASGI_SERVER": ("daphne", "hypercorn")}))
NAMED = Check(("where", {"HTTP_SERVER": "gunicorn"}), ("unless", {"ASGI_PATHS": ""}))
CHECKS = [ANY, WSGI, SHARING, ALONE, NAMED]


@pytest.fixture
def choice(pytestconfig: pytest.Config) -> ModuleType:
    """acceptance.choice, whose markers are those of tests/acceptance/conftest.py."""
    for name in ("where", "unless"):
        pytestconfig.addinivalue_line("markers", f"{name}: of a check of tests/acceptance")
    return importlib.import_module("acceptance.choice")


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        (DEFAULTS, [ANY, SHARING]),
        (GRANIAN, [ANY, ALONE]),
        (GUNICORN, [ANY, WSGI, SHARING]),
        ({**GUNICORN, "ASGI_PATHS": "/x"}, [ANY, WSGI, SHARING, NAMED]),
        # A value is not a part of another.
        ({**DEFAULTS, "HTTP_SERVER": "gun", "ASGI_SERVER": "corn"}, [ANY, ALONE]),
    ],
)
def test_settings_choose(choice: ModuleType, settings: dict[str, str], chosen: list[Check]) -> None:
    assert [check for check in CHECKS if choice.fits(check, settings)] == chosen


@pytest.mark.parametrize(
    ("supposed", "true", "told"),
    [
        (DEFAULTS, DEFAULTS, {}),
        (DEFAULTS, GRANIAN, {"ASGI_SERVER": "granian"}),
        (GUNICORN, DEFAULTS, {"HTTP_SERVER": "same"}),
        # Another server that shares its socket is put to the same checks.
        (DEFAULTS, {**DEFAULTS, "ASGI_SERVER": "hypercorn"}, {}),
    ],
)
def test_a_machine_that_other_checks_are_for_is_noticed(
    choice: ModuleType, supposed: dict[str, str], true: dict[str, str], told: dict[str, str]
) -> None:
    assert choice.misjudged(CHECKS, supposed, true) == told
