"""A cloud's resolver: it is started and asked here, as a guest's QEMU asks it."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import MachineError, resolver
from machine.resolver import Resolver

NAME, ADDRESS = "metadata.google.internal", "169.254.169.254"
NO_ERROR, REFUSED = 0, 5  # RFC 1035, section 4.1.1


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Resolver]:
    found = Resolver({NAME: ADDRESS, "metadata": ADDRESS}, tmp_path)
    yield found
    found.close()


def resolv_conf_of(running: Resolver) -> str:
    """What a process sees that is started around."""
    command = running.around(["cat", "/etc/resolv.conf"])
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def server_of(running: Resolver) -> str:
    (address,) = re.findall(r"^nameserver (127\.\S+)$", resolv_conf_of(running), re.MULTILINE)
    return str(address)


def ask(server: str, name: str) -> tuple[int, list[str]]:
    """Ask for the IPv4 addresses of `name`; return the code of the answer, and them."""
    number = secrets.token_bytes(2)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = labels + b"\0" + b"\0\1" + b"\0\1"  # an address, of the internet
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(10)
        connection.sendto(number + b"\1\0" + b"\0\1" + b"\0\0" * 3 + question, (server, 53))
        answer = connection.recv(512)
    assert answer[:2] == number
    assert answer[12 : 12 + len(question)] == question
    count = int.from_bytes(answer[6:8], "big")
    # Each is a pointer to the name, type, class, life, length, and four bytes: 16 in all.
    found = answer[12 + len(question) :][: 16 * count]
    addresses = [socket.inet_ntoa(found[16 * i + 12 :][:4]) for i in range(count)]
    return answer[3] & 0xF, addresses


def test_a_name_of_the_clouds_has_its_address(running: Resolver) -> None:
    server = server_of(running)
    for name in (NAME, NAME.upper(), "metadata"):
        assert ask(server, name) == (NO_ERROR, [ADDRESS])


def test_no_other_name_is_known_or_asked_for_elsewhere(running: Resolver) -> None:
    server = server_of(running)
    for name in ("example.com", "google.internal", f"no.{NAME}", "localhost"):
        assert ask(server, name) == (REFUSED, []), name


def test_a_process_around_sees_it_and_no_other_does(running: Resolver, tmp_path: Path) -> None:
    seen = tmp_path / "resolv.conf"
    assert resolv_conf_of(running) == seen.read_text()
    assert Path("/etc/resolv.conf").read_text() != seen.read_text()


def test_a_process_around_is_the_one_that_was_started(running: Resolver) -> None:
    command = running.around(["sh", "-c", "echo $$ $1", "sh", "a b;c"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told, _ = process.communicate(timeout=30)
    assert told == f"{process.pid} a b;c\n"


def test_two_have_addresses_of_their_own(running: Resolver, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Resolver({NAME: "192.0.2.1"}, tmp_path / "other")
    try:
        assert ask(server_of(other), NAME) == (NO_ERROR, ["192.0.2.1"])
        assert ask(server_of(running), NAME) == (NO_ERROR, [ADDRESS])
    finally:
        other.close()


def test_a_closed_one_answers_no_more(running: Resolver) -> None:
    server = server_of(running)
    assert answers(server)
    running.close()
    running.close()
    assert not answers(server)


def test_it_does_not_outlive_who_started_it(top: Path, tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from machine.resolver import Resolver
Resolver({{"a": "192.0.2.1"}}, Path({str(tmp_path)!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_alone(top, script).returncode == -signal.SIGKILL
    (server,) = re.findall(r"^nameserver (\S+)$", (tmp_path / "resolv.conf").read_text())
    deadline = time.monotonic() + 10
    while answers(server):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_sends_is_not_for_it_and_it_ends_in_order_afterwards(
    top: Path, tmp_path: Path, number: signal.Signals
) -> None:
    script = f"""
import os, signal
from pathlib import Path
from machine.resolver import Resolver
from unit.test_machine_resolver import answers, server_of
signal.signal({number}, lambda *_: None)
running = Resolver({{"a": "192.0.2.1"}}, Path({str(tmp_path)!r}))
os.killpg(0, {number})
assert answers(server_of(running))
running.close()
assert not answers(server_of(running))
"""
    assert run_alone(top, script).returncode == 0


def run_alone(top: Path, script: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a program with a process group of its own."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": f"{top / 'tests'}"},
        start_new_session=True,
        check=False,
    )


def test_an_address_that_is_taken_is_left_to_who_has_it(
    running: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second, _, last = (int(part) for part in server_of(running).split("."))
    numbers = iter([second - 2, last - 2, 98, 98])
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(numbers))
    (tmp_path / "other").mkdir()
    other = Resolver({NAME: "192.0.2.1"}, tmp_path / "other")
    try:
        assert server_of(other) == "127.100.53.100"
    finally:
        other.close()


def answers(server: str) -> bool:
    """Whether anything listens; a port of UDP refuses what is sent to it if nothing does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(1)
        connection.connect((server, 53))
        try:
            connection.send(b"\0" * 12)
            connection.recv(512)
        except ConnectionRefusedError:
            return False
        except TimeoutError:
            return True
        return True


def test_a_program_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "PROGRAM", "no-such-dnsmasq")
    with pytest.raises(MachineError, match="no-such-dnsmasq"):
        Resolver({NAME: ADDRESS}, tmp_path)
