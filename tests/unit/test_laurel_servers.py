"""The files of the servers, and how each server is started."""

from pathlib import Path

import pytest
from laurel import cli, servers
from laurel.errors import LaurelError


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the live release's packages are."""
    monkeypatch.setattr(servers, "CURRENT", tmp_path)
    return tmp_path / "venv/lib/python3.13/site-packages"


def test_unknown_server_is_reported_with_the_known_ones() -> None:
    known = "known: daphne, granian, gunicorn, hypercorn, uvicorn$"
    with pytest.raises(LaurelError, match=f"^no server apache: .*{known}"):
        servers.read("apache")


@pytest.mark.parametrize(
    ("asgi", "http", "needed"),
    [("daphne", "same", "daphne>=4.2.2"), ("hypercorn", "gunicorn", "hypercorn uvloop gunicorn")],
)
def test_provisioning_gets_one_package_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asgi: str,
    http: str,
    needed: str,
) -> None:
    monkeypatch.setenv("ASGI_SERVER", asgi)
    monkeypatch.setenv("HTTP_SERVER", http)
    assert cli.main(["server-packages"]) == 0
    assert capsys.readouterr().out.splitlines() == needed.split()


@pytest.mark.parametrize(
    ("version", "new_enough"),
    [("0.9.9", False), ("0.22", True), ("0.22.0", True), ("1.0", True)],
)
def test_installed_server_has_its_packages_and_is_new_enough(
    packages: Path, version: str, new_enough: bool
) -> None:
    for name in ("httptools-0.1", "uvloop-0.1", "websockets-1", f"uvicorn-{version}"):
        assert not servers.read("uvicorn").installed()
        (packages / f"{name}.dist-info").mkdir(parents=True)
    assert servers.read("uvicorn").installed() is new_enough


def test_package_is_found_under_any_spelling(packages: Path) -> None:
    assert not servers.has("channels-redis")
    (packages / "Channels_Redis-4.3.0.dist-info").mkdir(parents=True)
    assert servers.has("channels-redis")
    assert servers.has("channels-redis>=99")  # in any version
    assert not servers.has("channels-redis", "channels")
