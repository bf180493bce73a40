"""The probe of one process, against servers on unix sockets."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from laurel import health

Serve = Callable[[bytes | None], str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server that answers one connection with some bytes, or accepts none (None)."""
    path = str(tmp_path / "daphne0.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def start(answer: bytes | None) -> str:
            def run() -> None:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(10_000)
                    connection.sendall(answer or b"")

            if answer is not None:
                threading.Thread(target=run, daemon=True).start()
            return path

        yield start


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        *((status, "") for status in ("200 OK", "302 Found", "404 Not Found")),
        ("500 Error", "/healthz: HTTP 500"),
    ],
)
def test_answer_below_500_is_healthy(serve: Serve, status: str, problem: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    assert health.probe(serve(answer), "/healthz") == problem


def test_hung_process_times_out(serve: Serve) -> None:
    path = serve(None)
    start = time.monotonic()
    assert health.probe(path, "/healthz", timeout=0.05) == "/healthz: no answer within 0 s"
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"nonsense\r\n\r\n", "/: not HTTP"),
        (b"HTTP/1.1 twenty\r\n", "/: not HTTP"),
        (b"HTTP/1.1 200", "/: the connection was closed without an answer"),
        (b"x" * health.LONGEST_LINE * 2, "/: not HTTP"),
    ],
)
def test_invalid_answer_is_a_problem(serve: Serve, answer: bytes, problem: str) -> None:
    assert health.probe(serve(answer), "/") == problem


def test_answer_that_drips_times_out_as_a_whole(tmp_path: Path) -> None:
    """A byte comes sooner than the timeout, again and again: waits for 0.5 s."""
    path = str(tmp_path / "daphne0.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                for byte in b"HTTP/1.1 " + b"2" * 100:
                    connection.send(bytes([byte]))
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        start = time.monotonic()
        assert health.ask(path, "/", timeout=0.5) == "/: no answer within 0 s"
        assert time.monotonic() - start < 2


def test_memory_of_a_process_includes_its_children() -> None:
    code = (
        "import subprocess, sys; x = b'x' * (50 << 20); subprocess.run([sys.executable, '-c', {}])"
    )
    child = repr("x = b'x' * (50 << 20); print(flush=True); input()")
    process = subprocess.Popen(
        [sys.executable, "-c", code.format(child)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline()
    assert 100 <= health.memory(process.pid) < 200
    process.communicate(b"\n", timeout=20)
    assert health.memory(process.pid) == 0


def test_missing_process_is_a_problem(tmp_path: Path) -> None:
    path = str(tmp_path / "daphne0.sock")
    assert "No such file" in health.probe(path, "/")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
    assert "refused" in health.probe(path, "/")


def test_connections_are_counted_for_each_socket(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"daphne{number}.sock") for number in (1, 11)]
    with ExitStack() as stack:
        for path, count in zip(paths, (3, 1), strict=True):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(path)
            listening.listen()
            for _ in range(count):
                stack.enter_context(socket.socket(socket.AF_UNIX)).connect(path)
                stack.enter_context(listening.accept()[0])
        assert [health.connections(path) for path in paths] == [3, 1]
    assert health.connections(paths[0]) == 0
