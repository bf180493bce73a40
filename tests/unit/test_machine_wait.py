"""Waiting, the console's tail, and free ports."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import MachineError, MachineTimeoutError, UnreachableError
from machine.console import Console
from machine.port import free_ports
from machine.wait import NotYetError, wait_for


def test_wait_returns_what_the_probe_returns_at_last() -> None:
    answers: Iterator[Exception | str] = iter(
        [NotYetError("cold"), UnreachableError("gone"), "warm"]
    )

    def probe(_remaining: float) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_for("soup", probe, timeout=5, interval=0.01) == "warm"


def test_wait_ends_at_its_deadline_and_says_what_it_last_saw() -> None:
    def probe(_remaining: float) -> None:
        raise NotYetError("cold")

    start = time.monotonic()
    with pytest.raises(MachineTimeoutError) as caught:
        wait_for("soup", probe, timeout=0.3, interval=0.05, evidence=lambda: "\nthe end")
    assert 0.3 <= time.monotonic() - start < 2
    assert str(caught.value) == "soup: not so after 0 s (deadline 0.3 s); last: cold\nthe end"
    assert isinstance(caught.value, TimeoutError)


def test_wait_stops_at_once_when_there_is_no_point() -> None:
    def check() -> None:
        raise MachineError("dead")

    with pytest.raises(MachineError, match="dead"):
        wait_for("soup", lambda _: None, timeout=60, check=check)


def test_probe_learns_how_long_it_may_take() -> None:
    assert 4 < wait_for("soup", lambda remaining: remaining, timeout=5) <= 5


def test_console_tail_is_the_last_lines_as_a_person_saw_them(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    assert Console(path).tail() == ""
    path.write_bytes(
        b"early\r\n\x1b[2J\x1b[0;32m  OK  \x1b[0m] Started x.\r\n\r\n"
        b"10%\r50%\r100% done\r\n\xffend\x1b]0;title\x07"
    )
    assert Console(path).tail(3) == "  OK  ] Started x.\n100% done\n\ufffdend"


def test_console_tail_of_a_long_log_reads_its_end_only(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert Console(path).tail(2) == "line 99998\nline 99999"


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
