"""How the wrappers of some servers find the project's application."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("entry:application", "default"),
        ("entry", "default"),
        ("entry:both.pages", "pages"),
    ],
)
@pytest.mark.parametrize("kind", ["ASGI", "WSGI"])
def test_application_is_found_by_its_name(
    top: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, expected: str
) -> None:
    entry: Any = type(sys)("entry")
    entry.application = "default"
    entry.both = type("Both", (), {"pages": "pages"})
    monkeypatch.setitem(sys.modules, "entry", entry)
    monkeypatch.syspath_prepend(str(top / "provision/production"))
    for other in ("ASGI", "WSGI"):
        monkeypatch.setenv(f"LAUREL_{other}_APPLICATION", name if other == kind else "no.such:one")
    assert importlib.import_module("laurel_application").application(kind) == expected
