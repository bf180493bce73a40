"""The files of the servers, and how each is started."""

import re
from pathlib import Path

import pytest
from laurel import cli, servers
from laurel.errors import LaurelError

ASGI = ["daphne", "granian", "hypercorn", "uvicorn"]
WSGI = ["gunicorn"]
OPTION_OF_SOCKET = {
    "daphne": "-u {}",
    "granian": "--uds {}",
    "gunicorn": "--bind unix:{}",
    "hypercorn": "--bind unix:{}",
    "uvicorn": "--uds {}",
}


def test_each_kind_of_application_has_its_servers() -> None:
    assert servers.names("asgi") == ASGI
    assert servers.names("wsgi") == WSGI


@pytest.mark.parametrize("name", [*ASGI, *WSGI])
def test_a_file_says_all_that_is_needed(name: str) -> None:
    found = servers.read(name)
    assert found.name == name
    assert found.command.split()[0] == name
    assert found.serves == ("wsgi" if name in WSGI else "asgi")
    assert found.shares is (name in ("daphne", "hypercorn"))
    assert name in [re.split("[<>=]", package)[0] for package in found.packages]
    assert found.socket(12) == f"/run/daphne/{name}12.sock"


@pytest.mark.parametrize("name", [*ASGI, *WSGI])
@pytest.mark.parametrize(("number", "descriptor"), [(0, 0), ("%(process_num)d", 0), ("%i", 3)])
def test_a_command_line_has_its_socket_and_descriptor(
    name: str, number: object, descriptor: int
) -> None:
    line = servers.read(name).command_line(number, descriptor, "mysite.asgi:application")
    assert line.startswith(f"/srv/site/current/venv/bin/{name} ")
    assert f" {OPTION_OF_SOCKET[name].format(f'/run/daphne/{name}{number}.sock')} " in line
    handed = {"daphne": f" --fd {descriptor} ", "hypercorn": f" --bind fd://{descriptor} "}
    assert handed.get(name, "") in line
    assert line.split()[-1] in ("mysite.asgi:application", f"laurel_{name}:application")
    assert "@" not in line


def test_each_wrapper_around_an_application_is_there(top: Path) -> None:
    for name in [*ASGI, *WSGI]:
        for module in re.findall(r"\b(laurel_\w+)\b", servers.read(name).command):
            assert (top / "provision/production" / f"{module}.py").is_file(), module


@pytest.mark.parametrize("name", ["apache", "", "same", "../servers/apache"])
def test_an_unknown_server_is_told_with_those_that_are_known(name: str) -> None:
    with pytest.raises(LaurelError) as caught:
        servers.read(name)
    assert str(caught.value).startswith(f"no server {name}: ")
    assert str(caught.value).endswith("known: daphne, granian, gunicorn, hypercorn, uvicorn")


@pytest.mark.parametrize(
    ("asgi", "http", "packages"),
    [
        ("daphne", "same", "daphne>=4.2.2"),
        ("uvicorn", "same", "uvicorn httptools uvloop websockets"),
        ("hypercorn", "gunicorn", "hypercorn uvloop gunicorn"),
    ],
)
def test_provisioning_is_told_one_package_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asgi: str,
    http: str,
    packages: str,
) -> None:
    monkeypatch.setenv("ASGI_SERVER", asgi)
    monkeypatch.setenv("HTTP_SERVER", http)
    assert cli.main(["server-packages"]) == 0
    assert capsys.readouterr().out.splitlines() == packages.split()


def test_a_server_is_installed_where_the_live_release_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "CURRENT", tmp_path)
    packages = tmp_path / "venv/lib/python3.13/site-packages"
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
def test_a_server_that_is_too_old_for_its_command_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, new_enough: bool
) -> None:
    monkeypatch.setattr(servers, "CURRENT", tmp_path)
    packages = tmp_path / "venv/lib/python3.13/site-packages"
    for name in ("httptools-0.1", "uvloop-0.1", "websockets-1", f"uvicorn-{version}"):
        (packages / f"{name}.dist-info").mkdir(parents=True)
    assert servers.read("uvicorn").installed() is new_enough


def test_a_package_is_found_by_every_form_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "CURRENT", tmp_path)
    assert not servers.has("channels-redis")
    (tmp_path / "venv/lib/python3.13/site-packages/Channels_Redis-4.3.0.dist-info").mkdir(
        parents=True
    )
    assert servers.has("channels-redis")
    assert servers.has("channels-redis>=99")  # of any version
    assert not servers.has("channels-redis", "channels")
