"""Who holds the port that all processes of the ASGI server are to share."""

import errno
import os
import re
import socket
from collections.abc import Callable

import pytest
from laurel import cli, port, settings
from laurel.errors import LaurelError
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


@pytest.mark.parametrize(
    ("who", "own", "passed"),
    [
        ("supervisord (pid 7)", "supervisord", True),
        ("daphne (pid 9), systemd (pid 1)", "systemd", True),
        ("python3 (pid 9)", "supervisord", False),
        ("supervisord (pid 7)", "", False),  # before it starts, it can have it from no other
        ("systemd-resolve (pid 8)", "systemd", False),
        ("", "systemd", False),
    ],
)
def test_what_the_manager_holds_is_passed_and_what_others_hold_is_not(
    held: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    make_settings: Callable[..., Settings],
    who: str,
    own: str,
    passed: bool,
) -> None:
    chosen = make_settings(BIND_PORT=str(held.getsockname()[1]))
    monkeypatch.setattr(port, "holder", lambda _: who)
    if passed:
        port.check(chosen, own)
        return
    with pytest.raises(LaurelError, match=f"is taken by {re.escape(who or 'a program')}: the"):
        port.check(chosen, own)


def test_an_address_of_no_machine_is_told_as_one(make_settings: Callable[..., Settings]) -> None:
    chosen = make_settings(BIND_ADDRESS="192.0.2.1")  # RFC 5737
    with pytest.raises(LaurelError) as caught:
        port.check(chosen, "supervisord")
    assert "192.0.2.1:8000 can't be had" in str(caught.value)
    assert "BIND_ADDRESS is an address of this machine" in str(caught.value)
    assert "taken" not in str(caught.value)


@pytest.mark.usefixtures("held")
def test_check_port_asks_for_nothing_where_no_port_is_shared(choose: Callable[[str], None]) -> None:
    choose("uvicorn")
    assert cli.main(["check-port"]) == 0
