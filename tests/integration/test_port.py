"""The port of the shared socket, and the programs that hold it."""

import os
import re
import socket
from collections.abc import Callable, Iterator

import pytest
from laurel import cli, port, settings
from laurel.errors import LaurelError
from laurel.settings import Settings

MakeSettings = Callable[..., Settings]


@pytest.fixture
def held() -> Iterator[socket.socket]:
    """A socket that listens on the port in question."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def wanting(held: socket.socket, make_settings: MakeSettings) -> Settings:
    """Settings whose shared socket has that port."""
    return make_settings(BIND_PORT=str(held.getsockname()[1]))


def test_taken_port_is_reported_with_its_holder(
    held: socket.socket,
    wanting: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(settings, "load", lambda: wanting)
    assert cli.main(["check-port"]) == 1
    number = held.getsockname()[1]
    taken = rf"127\.0\.0\.1:{number} is taken by \S+ \(pid {os.getpid()}\): .*; stop that program"
    assert re.search(taken, capsys.readouterr().err)
    held.close()
    assert cli.main(["check-port"]) == 0


def test_closed_connections_do_not_hold_the_port(held: socket.socket, wanting: Settings) -> None:
    client = socket.create_connection(held.getsockname())
    accepted, _ = held.accept()
    accepted.close()  # which leaves it in TIME_WAIT
    client.close()
    held.close()
    port.check(wanting)


@pytest.mark.parametrize(
    ("holders", "own", "passes"),
    [
        ([("daphne", "9"), ("systemd", "1")], "systemd", True),
        ([("supervisord", "7")], "", False),
        ([("systemd-resolve", "8")], "systemd", False),
        ([], "systemd", False),  # another user's program, not seen without root
    ],
)
def test_only_the_manager_may_hold_the_port(
    wanting: Settings,
    monkeypatch: pytest.MonkeyPatch,
    holders: list[tuple[str, str]],
    own: str,
    passes: bool,
) -> None:
    monkeypatch.setattr(port, "holders", lambda _: holders)
    if passes:
        port.check(wanting, own)
        return
    named = re.escape(port.describe(holders)) or "a program"
    with pytest.raises(LaurelError, match=f"is taken by {named}: "):
        port.check(wanting, own)


def test_address_of_another_machine_is_reported(make_settings: MakeSettings) -> None:
    with pytest.raises(LaurelError) as caught:
        port.check(make_settings(BIND_ADDRESS="192.0.2.1"), "supervisord")  # RFC 5737
    assert "192.0.2.1:8000 can't be used" in str(caught.value)
    assert "set BIND_ADDRESS to an address of this machine" in str(caught.value)


def test_server_without_shared_socket_needs_no_port(
    wanting: Settings, make_settings: MakeSettings
) -> None:
    port.check(make_settings(ASGI_SERVER="uvicorn", BIND_PORT=wanting.get("BIND_PORT")))
