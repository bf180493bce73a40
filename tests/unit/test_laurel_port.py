"""Who holds the port that all processes of the ASGI server are to share."""

import errno
import os
import socket
from collections.abc import Callable

import pytest
from laurel import cli, port, settings
from laurel.settings import Settings


@pytest.fixture
def held() -> socket.socket:
    """A socket that listens on the port in question."""
    return socket.create_server(("127.0.0.1", 0))


def test_a_port_that_something_listens_on_is_taken(held: socket.socket) -> None:
    wanted = held.getsockname()
    assert port.refused(wanted) == errno.EADDRINUSE
    held.close()
    assert port.refused(wanted) is None


def test_the_holder_is_named_with_its_pid(held: socket.socket) -> None:
    number = held.getsockname()[1]
    assert port.holder(number).endswith(f"(pid {os.getpid()})")
    held.close()
    assert port.holder(number) == ""


def test_connections_that_were_closed_do_not_hold_the_port(held: socket.socket) -> None:
    """A port in TIME_WAIT can be bound: supervisord sets SO_REUSEADDR too."""
    wanted = held.getsockname()
    client = socket.create_connection(wanted)
    accepted, _ = held.accept()
    accepted.close()
    client.close()
    held.close()
    assert port.refused(wanted) is None


@pytest.mark.parametrize("server", ["daphne", "hypercorn"])
def test_the_address_is_that_of_the_settings(
    make_settings: Callable[..., Settings], server: str
) -> None:
    assert port.address(make_settings(ASGI_SERVER=server)) == ("127.0.0.1", 8000)
    other = make_settings(ASGI_SERVER=server, BIND_ADDRESS="10.0.0.7", BIND_PORT="8123")
    assert port.address(other) == ("10.0.0.7", 8123)


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_a_server_that_takes_no_shared_socket_has_no_address(
    make_settings: Callable[..., Settings], server: str
) -> None:
    assert port.address(make_settings(ASGI_SERVER=server)) is None


@pytest.fixture
def choose(
    held: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    make_settings: Callable[..., Settings],
) -> Callable[[str], None]:
    """Gives the machine an ASGI server, and the port that is held."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def choose(server: str) -> None:
        chosen = make_settings(ASGI_SERVER=server, BIND_PORT=str(held.getsockname()[1]))
        monkeypatch.setattr(settings, "load", lambda: chosen)

    return choose


def test_check_port_says_who_holds_it_and_what_to_do(
    held: socket.socket, choose: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    choose("daphne")
    assert cli.main(["check-port"]) == 1
    error = capsys.readouterr().err
    assert f"127.0.0.1:{held.getsockname()[1]} is taken by" in error
    assert f"(pid {os.getpid()})" in error
    assert "stop that program" in error
    held.close()
    assert cli.main(["check-port"]) == 0


@pytest.mark.usefixtures("held")
def test_check_port_asks_for_nothing_where_no_port_is_shared(choose: Callable[[str], None]) -> None:
    choose("uvicorn")
    assert cli.main(["check-port"]) == 0
