"""Hosts without a connection: targets, logins, deadlines, and a console's log."""

from pathlib import Path

import pytest
from machine import MachineError, RemoteHost
from machine.console import Console
from machine.machine import default_user
from machine.ssh import Login


def test_console_tail_is_what_remains_on_a_screen(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    assert Console(path).tail() == ""
    path.write_bytes(
        b"early\r\n" * 20_000 + b"\x1b[2J\x1b[0;32m  OK  \x1b[0m] Started x.\r\n\r\n"
        b"10%\r50%\r100% done\r\n\xffend\x1b]0;title\x07"
    )
    assert Console(path).tail(4) == "early\n  OK  ] Started x.\n100% done\n\ufffdend"


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


def test_start_and_crash_need_a_hypervisor() -> None:
    host = RemoteHost("root@host")
    for refused in (host.start, host.crash):
        with pytest.raises(MachineError, match=f"{refused.__name__} needs the hypervisor"):
            refused()


def test_printed_login_asks_no_question() -> None:
    login = Login(address="127.0.0.1", port=2222, user="debian", key=Path("/k"), known_hosts=False)
    assert " ".join(login.command_line()) == (
        "ssh -i /k -o IdentitiesOnly=yes -o StrictHostKeyChecking=no "
        "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p 2222 debian@127.0.0.1"
    )


def test_default_user_is_that_of_the_system() -> None:
    assert default_user(Path("laurel-ubuntu-24.04-amd64.qcow2")) == "ubuntu"
    assert default_user(Path("laurel-debian-13-amd64.qcow2")) == "debian"
