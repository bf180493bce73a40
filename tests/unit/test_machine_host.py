"""Hosts without a connection: targets and logins."""

from pathlib import Path

import pytest
from machine import MachineError, RemoteHost
from machine.ssh import Login


@pytest.mark.parametrize(
    ("target", "address", "port", "url"),
    [
        ("admin@example.org", "example.org", 22, "http://example.org"),
        ("admin@192.0.2.1:2222", "192.0.2.1", 2222, "http://192.0.2.1"),
        ("admin@[2001:db8::1]:2222", "2001:db8::1", 2222, "http://[2001:db8::1]"),
    ],
)
def test_target_is_user_at_address(target: str, address: str, port: int, url: str) -> None:
    host = RemoteHost(target)
    assert host.login == Login(address=address, port=port, user="admin", key=None, known_hosts=True)
    assert host.url == url


@pytest.mark.parametrize("target", ["example.org", "admin@", "admin@host:port", ""])
def test_malformed_target_is_refused(target: str) -> None:
    with pytest.raises(MachineError, match="not of the form user@address"):
        RemoteHost(target)


def test_printed_login_asks_no_question() -> None:
    login = Login(address="127.0.0.1", port=2222, user="debian", key=Path("/k"), known_hosts=False)
    assert " ".join(login.command_line()) == (
        "ssh -i /k -o IdentitiesOnly=yes -o StrictHostKeyChecking=no "
        "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p 2222 debian@127.0.0.1"
    )
