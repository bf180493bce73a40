"""Each server as a real process: what a machine relies on."""

import http.client
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import websocket
from integration.served import FLOOD
from integration.server_process import MESSAGE, ServerProcess, ask_on
from laurel import servers

ASGI = servers.names("asgi")
EVERY = [*ASGI, *servers.names("wsgi")]
SHARING = [name for name in EVERY if servers.read(name).shares]
# Servers whose started process does not serve itself, but starts a worker.
WITH_A_WORKER = ["granian", "gunicorn"]

# stopwaitsecs of asgi.conf and wsgi.conf.
END_SECONDS = 10.0

Make = Callable[[str], ServerProcess]
Running = dict[str, ServerProcess]

every_server = pytest.mark.parametrize("name", EVERY)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that stands for /srv/site and /run/daphne."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "current").mkdir()
    (folder / "current/venv").symlink_to(sys.prefix)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "CURRENT", folder / "current")
        patch.setattr(servers, "SOCKETS", folder)
        yield folder


@pytest.fixture(scope="module")
def running(machine: Path, top: Path) -> Iterator[Running]:
    """One process of each server, which no test ends: they start side by side."""
    found = {name: ServerProcess(name, machine, top).start() for name in EVERY}
    try:
        for process in found.values():
            process.wait()
        yield found
    finally:
        for process in found.values():
            process.end()


@pytest.fixture
def make(machine: Path, top: Path) -> Iterator[Make]:
    """Makes a process that the test starts and ends."""
    made = []

    def make(name: str) -> ServerProcess:
        made.append(ServerProcess(name, machine, top))
        return made[-1]

    yield make
    for process in made:
        process.end()


def from_nginx(address: str = "203.0.113.7", scheme: str = "https") -> dict[str, str]:
    """The headers that site.conf sends for a client at `address`."""
    return {
        "X-Forwarded-Host": "site.example",
        "X-Forwarded-Proto": scheme,
        "X-Forwarded-For": address,
        "X-Real-IP": address,
    }


def closed_with(client: websocket.WebSocket) -> int:
    """The code of the close frame that `client` receives next."""
    frame = client.recv_frame()
    while frame.opcode == websocket.ABNF.OPCODE_PING:
        frame = client.recv_frame()
    assert frame.opcode == websocket.ABNF.OPCODE_CLOSE
    return int.from_bytes(frame.data[:2], "big")


def resident(pid: int, field: str = "VmRSS") -> int:
    """MiB of memory that the process `pid` uses, or (VmHWM) the most that it has used."""
    (kib,) = re.findall(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kib) // 1024


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + END_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# What the application gets


@every_server
def test_path_body_and_long_lines_arrive_whole(running: Running, name: str) -> None:
    answer = running[name].ask("/a%20room/?b=c", body=b"x" * 3_000_000)
    assert (answer["path"], answer["size"]) == ("/a room/", 3_000_000)
    # nginx's large_client_header_buffers: 8k with the line's end.
    assert running[name].ask("/?" + "x" * (8192 - len("GET /? HTTP/1.1\r\n")))


@every_server
def test_address_and_scheme_of_the_client_arrive(running: Running, name: str) -> None:
    for address, scheme in (("203.0.113.7", "http"), ("2001:db8::7", "https")):
        answer = running[name].ask(headers=from_nginx(address, scheme))
        assert (answer["client"], answer["scheme"]) == (address, scheme)


@pytest.mark.parametrize("name", ASGI)
@pytest.mark.parametrize(("scheme", "expected"), [("http", "ws"), ("https", "wss")])
def test_websocket_echoes_and_knows_its_client(
    running: Running, name: str, scheme: str, expected: str
) -> None:
    with running[name].websocket(from_nginx(scheme=scheme)) as (client, answer):
        assert answer["client"] == "203.0.113.7"
        # Daphne gives a websocket no scheme; ASGI's default is "ws".
        assert answer["scheme"] == (None if name == "daphne" else expected)
        for text in ("hello", "é" * 70_000):
            client.send(text)
            assert client.recv() == text


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize("descriptor", [0, 3], ids=["supervisor", "systemd"])
def test_shared_socket_is_served_as_well(make: Make, name: str, descriptor: int) -> None:
    process = make(name).start(descriptor).wait()
    for connection in (process.connect(), process.connect_shared()):
        with connection:
            answer = ask_on(connection, headers=from_nginx())
        assert (answer["client"], answer["scheme"]) == ("203.0.113.7", "https")


@pytest.mark.parametrize("name", ASGI)
@pytest.mark.parametrize("message", [b"x" * MESSAGE, "é" * (MESSAGE // 2)], ids=["bytes", "text"])
def test_message_within_the_limit_passes_and_a_larger_one_closes(
    running: Running, name: str, message: Any
) -> None:
    send = "send_binary" if isinstance(message, bytes) else "send"
    with running[name].websocket() as (client, _):
        getattr(client, send)(message)
        assert client.recv() == message
        with suppress(BrokenPipeError, ConnectionResetError):
            getattr(client, send)(message + message[:1])
        assert closed_with(client) == 1009


@pytest.mark.parametrize("name", ASGI)
def test_only_an_answer_of_unknown_length_is_a_stream(running: Running, name: str) -> None:
    for target, expected in (("/stream", "no"), ("/", None)):
        with running[name].connect() as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.getheader("X-Accel-Buffering") == expected


def test_late_websocket_is_not_refused(running: Running) -> None:
    """Waits for 6 s, longer than the 5 s of Daphne's default."""
    with running["daphne"].websocket(path="/late") as (client, _):
        client.send("hello")
        assert client.recv() == "hello"


# How it runs


@every_server
def test_process_count_group_and_socket_are_as_expected(running: Running, name: str) -> None:
    """A WEB_CONCURRENCY or gunicorn.conf.py of the project must not add processes."""
    process = running[name]
    assert len(process.pids) == (2 if name in WITH_A_WORKER else 1), process.log.read_text()
    # nginx runs as another user in no common group, and must write to connect (unix(7)).
    assert process.socket.stat().st_mode & 0o666 == 0o666
    # `laurel watch` kills the process group.
    assert {os.getpgid(pid) for pid in process.pids} == {process.process.pid}


@every_server
def test_code_and_home_are_not_written_to(running: Running, name: str) -> None:
    process = running[name]
    process.ask(body=b"x" * 1_000_000)
    assert list(process.home.iterdir()) == []
    assert {path.name for path in process.code.iterdir()} == {"served.py", "gunicorn.conf.py"}


def test_idle_connection_lives_as_long_as_nginx_keeps_it(
    running: Running, machine_files: Path
) -> None:
    """Waits for 4 s. A POST on a connection that the server closes would be lost."""
    site = (machine_files / "etc/nginx/sites-available/site.conf").read_text()
    kept, kept_too = re.findall(r"keepalive_timeout (\d+)s;", site)  # of the two upstreams
    assert kept == kept_too
    with ExitStack() as connections:
        idle = {name: connections.enter_context(one.connect()) for name, one in running.items()}
        for connection in idle.values():
            ask_on(connection)
        time.sleep(int(kept) + 0.5)
        for name, connection in idle.items():
            assert ask_on(connection, body=name.encode())["size"] == len(name), name


# Clients that do not keep up


@pytest.mark.parametrize("name", ASGI)
def test_client_that_never_reads_fills_no_memory(running: Running, name: str) -> None:
    process = running[name]
    (pid,) = process.pids - ({process.process.pid} if name in WITH_A_WORKER else set())
    before = resident(pid)
    with process.websocket(path="/flood") as (client, _):
        sent, since = -1, time.monotonic()
        while time.monotonic() - since < 1:
            now = process.ask("/sent")["sent"]
            if now != sent:
                sent, since = now, time.monotonic()
            time.sleep(0.05)
        assert sent < FLOOD
        assert resident(pid) - before < 100
        for _ in range(FLOOD):
            assert len(client.recv()) == 1_000_000
    assert process.ask("/sent")["sent"] == FLOOD


@pytest.mark.parametrize("name", ASGI)
def test_client_that_floods_a_slow_consumer_has_to_wait(make: Make, name: str) -> None:
    """Waits for 3 s, in which the consumer does not read."""
    process = make(name).start().wait()
    (pid,) = process.pids - ({process.process.pid} if name in WITH_A_WORKER else set())
    before = resident(pid)
    with process.websocket(path="/slow") as (client, _):
        for _ in range(FLOOD):
            client.send_binary(b"x" * 500_000)
        client.send("how many?")
        assert client.recv() == str(FLOOD + 1)
    assert resident(pid, "VmHWM") - before < 100


# How it ends


@pytest.mark.parametrize("name", ASGI)
def test_websockets_close_for_a_restart_when_asked(running: Running, name: str) -> None:
    """Waits for about 2 s."""
    process = running[name]
    closing = Path(f"{process.socket}.closing")
    with ExitStack() as stack:
        clients = [stack.enter_context(process.websocket())[0] for _ in range(3)]
        stack.callback(closing.unlink, missing_ok=True)
        closing.write_text("0.5\n")
        assert [closed_with(client) for client in clients] == [1012] * 3
        wait_until(lambda: not closing.exists())  # new websockets stay open
        assert process.ask()


@pytest.mark.parametrize("name", WITH_A_WORKER)
def test_dead_worker_is_replaced_or_ends_its_server(make: Make, name: str) -> None:
    """Either way the site gets its process back: the manager starts a server that has ended."""
    process = make(name).start().wait()
    server = process.process
    (worker,) = process.pids - {server.pid}
    assert process.ask()["pid"] == worker
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: server.poll() is not None or bool(process.pids - {server.pid, worker}))
    if server.poll() is None:
        assert process.wait().ask()["pid"] != worker


@pytest.mark.parametrize("name", WITH_A_WORKER)
def test_killed_server_leaves_no_worker(make: Make, name: str) -> None:
    process = make(name).start().wait()
    process.process.kill()
    process.process.wait(10)
    wait_until(lambda: not process.pids)


def test_every_server_ends_in_time_with_open_requests(make: Make) -> None:
    """Waits for about 5 s. A manager kills what has not ended after ten."""
    started = {name: make(name).start() for name in EVERY}
    with ExitStack() as connections:
        for name, process in started.items():
            process.wait()
            if name in ASGI:
                connections.enter_context(process.websocket())
            connection = connections.enter_context(process.connect())
            connection.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
            connections.enter_context(process.connect())
        time.sleep(0.5)  # until the requests are in progress
        for process in started.values():
            process.process.terminate()
        deadline = time.monotonic() + END_SECONDS
        for name, process in started.items():
            left = max(deadline - time.monotonic(), 0.1)
            assert process.process.wait(left) in (0, -signal.SIGTERM), name
            assert process.pids == set(), name
