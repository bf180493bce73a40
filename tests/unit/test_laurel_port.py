"""Who holds the port that supervisor hands to the processes."""

import os
import socket

import pytest
from laurel import cli, port


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """A socket that listens on the port in question."""
    listening = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(port, "ADDRESS", listening.getsockname())
    return listening


def test_a_port_that_something_listens_on_is_taken(held: socket.socket) -> None:
    assert port.taken()
    held.close()
    assert not port.taken()


def test_the_holder_is_named_with_its_pid(held: socket.socket) -> None:
    assert port.holder().endswith(f"(pid {os.getpid()})")
    held.close()
    assert port.holder() == ""


def test_connections_that_were_closed_do_not_hold_the_port(held: socket.socket) -> None:
    """A port in TIME_WAIT can be bound: supervisord sets SO_REUSEADDR too."""
    client = socket.create_connection(held.getsockname())
    accepted, _ = held.accept()
    accepted.close()
    client.close()
    held.close()
    assert not port.taken()


def test_check_port_says_who_holds_it_and_what_to_do(
    held: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli.main(["check-port"]) == 1
    error = capsys.readouterr().err
    assert f"127.0.0.1:{held.getsockname()[1]} is taken by" in error
    assert f"(pid {os.getpid()})" in error
    assert "stop that program" in error
    held.close()
    assert cli.main(["check-port"]) == 0
