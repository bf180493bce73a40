"""The files of the servers, and how each server is started."""

import re
from pathlib import Path

import pytest
from laurel import cli, servers
from laurel.errors import LaurelError

ASGI = ["daphne", "granian", "hypercorn", "uvicorn"]
WSGI = ["gunicorn"]
# The option that names its own socket, and the one for the shared socket.
OPTIONS = {
    "daphne": ("-u {}", "--fd {}"),
    "granian": ("--uds {}", None),
    "gunicorn": ("--bind unix:{}", None),
    "hypercorn": ("--bind unix:{}", "--bind fd://{}"),
    "uvicorn": ("--uds {}", None),
}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the live release's packages are."""
    monkeypatch.setattr(servers, "CURRENT", tmp_path)
    return tmp_path / "venv/lib/python3.13/site-packages"


def test_each_kind_of_application_has_its_servers() -> None:
    assert servers.names("asgi") == ASGI
    assert servers.names("wsgi") == WSGI


@pytest.mark.parametrize("name", [*ASGI, *WSGI])
@pytest.mark.parametrize(("number", "descriptor"), [("%(process_num)d", 0), ("%i", 3)])
def test_command_names_its_sockets_and_an_existing_application(
    top: Path, name: str, number: str, descriptor: int
) -> None:
    server = servers.read(name)
    line = server.command_line(number, descriptor, "mysite.asgi:application")
    own, shared = OPTIONS[name]
    assert line.startswith(f"/srv/site/current/venv/bin/{name} ")
    assert f" {own.format(f'/run/daphne/{name}{number}.sock')} " in line
    assert server.shares is (shared is not None)
    if shared:
        assert f" {shared.format(descriptor)} " in line
    else:
        assert not {str(descriptor), f"fd://{descriptor}"} & set(line.split())
    assert name in [re.split("[<>=]", package)[0] for package in server.packages]
    assert line.split()[-1] in ("mysite.asgi:application", f"laurel_{name}:application")
    for module in re.findall(r"\b(laurel_\w+)\b", line):
        assert (top / "provision/production" / f"{module}.py").is_file(), module


@pytest.mark.parametrize("name", ["apache", "", "same", "../servers/apache"])
def test_unknown_server_is_reported_with_the_known_ones(name: str) -> None:
    with pytest.raises(LaurelError) as caught:
        servers.read(name)
    assert str(caught.value).startswith(f"no server {name}: ")
    assert str(caught.value).endswith("known: daphne, granian, gunicorn, hypercorn, uvicorn")


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


def test_server_is_installed_once_all_its_packages_are(packages: Path) -> None:
    uvicorn = servers.read("uvicorn")
    for name in ("uvicorn", "httptools", "websockets", "uvloop"):
        assert not uvicorn.installed(), f"without {name}"
        (packages / f"{name}-0.22.0.dist-info").mkdir(parents=True)
    assert uvicorn.installed()
    assert not servers.read("granian").installed()


@pytest.mark.parametrize(
    ("version", "new_enough"),
    [("0.9.9", False), ("0.21.1", False), ("0.22", True), ("0.22.0", True), ("1.0", True)],
)
def test_server_too_old_for_its_command_is_not_installed(
    packages: Path, version: str, new_enough: bool
) -> None:
    for name in ("httptools-0.1", "uvloop-0.1", "websockets-1", f"uvicorn-{version}"):
        (packages / f"{name}.dist-info").mkdir(parents=True)
    assert servers.read("uvicorn").installed() is new_enough


def test_package_is_found_under_any_spelling(packages: Path) -> None:
    assert not servers.has("channels-redis")
    (packages / "Channels_Redis-4.3.0.dist-info").mkdir(parents=True)
    assert servers.has("channels-redis")
    assert servers.has("channels-redis>=99")  # in any version
    assert not servers.has("channels-redis", "channels")
