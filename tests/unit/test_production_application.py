"""The project's own application, as the wrappers of some servers find it."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def application(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """The function, with a module `shop.entry` that holds both kinds."""
    path = top / "provision/production/laurel_application.py"
    spec = importlib.util.spec_from_file_location("laurel_application", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/entry.py").write_text(
        "application = 'by default'\nclass both:\n    pages = 'pages'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found: Callable[[str], Any] = module.application
    return found


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("shop.entry:application", "by default"),
        ("shop.entry", "by default"),
        ("shop.entry:both.pages", "pages"),
    ],
)
@pytest.mark.parametrize("kind", ["ASGI", "WSGI"])
def test_an_application_is_found_by_its_name(
    application: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    name: str,
    meant: str,
) -> None:
    for other in ("ASGI", "WSGI"):
        monkeypatch.setenv(f"LAUREL_{other}_APPLICATION", name if other == kind else "no.such:one")
    assert application(kind) == meant
