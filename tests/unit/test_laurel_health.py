"""The probe of one process, against real servers on unix sockets."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from laurel import health

Serve = Callable[[bytes | None], str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server that answers each connection with some bytes, or never (None)."""
    stack = ExitStack()
    ended = threading.Event()

    def start(answer: bytes | None) -> str:
        path = str(tmp_path / "daphne0.sock")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        stack.callback(listening.close)

        def run() -> None:
            connection, _ = listening.accept()
            with connection:
                if answer is None:
                    ended.wait(20)
                    return
                connection.recv(10_000)
                connection.sendall(answer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return path

    yield start
    ended.set()
    stack.close()


def answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "302 Found", "400 Bad", "404 No"])
def test_an_answer_below_500_is_healthy(serve: Serve, status: str) -> None:
    assert health.probe(serve(answer(status)), "/healthz") == ""


@pytest.mark.parametrize("status", ["500 Error", "503 Unavailable"])
def test_an_answer_from_500_on_is_not(serve: Serve, status: str) -> None:
    assert health.probe(serve(answer(status)), "/healthz") == f"/healthz: HTTP {status[:3]}"


def test_a_process_that_hangs_is_given_up_in_time(serve: Serve) -> None:
    path = serve(None)
    start = time.monotonic()
    assert "timed out" in health.probe(path, "/healthz", timeout=0.2)
    assert 0.2 <= time.monotonic() - start < 2


def test_a_process_that_does_not_accept_is_given_up_in_time(tmp_path: Path) -> None:
    path = str(tmp_path / "stopped.sock")
    with socket.socket(socket.AF_UNIX) as listening, ExitStack() as clients:
        listening.bind(path)
        listening.listen(0)
        clients.enter_context(socket.socket(socket.AF_UNIX)).connect(path)  # the queue is full
        start = time.monotonic()
        assert health.probe(path, "/", timeout=0.2).startswith("/: ")
        assert time.monotonic() - start < 2


@pytest.mark.parametrize("nonsense", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200"[:9]])
def test_what_is_no_answer_is_a_problem(serve: Serve, nonsense: bytes) -> None:
    assert health.probe(serve(nonsense), "/") != ""


def test_a_socket_that_is_missing_is_named(tmp_path: Path) -> None:
    assert "No such file" in health.probe(str(tmp_path / "daphne0.sock"), "/")


def test_a_socket_without_a_process_is_a_problem(tmp_path: Path) -> None:
    path = str(tmp_path / "daphne0.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
    assert "refused" in health.probe(path, "/")


def test_connections_of_one_socket_are_counted(tmp_path: Path) -> None:
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
