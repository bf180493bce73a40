"""Each server that Laurel has a file of, as a real process: what a machine counts on."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from integration.server_process import ServerProcess, ask_on
from laurel import servers

EVERY = [*servers.names("asgi"), *servers.names("wsgi")]
ASGI = servers.names("asgi")
SHARING = [name for name in EVERY if servers.read(name).shares]
# Of those, which start a process that serves and is not the one that was started.
WITH_A_WORKER = ["granian", "gunicorn"]

# stopwaitsecs of asgi.conf and wsgi.conf; and for what one that is killed leaves behind.
END_SECONDS = 10.0

Make = Callable[[str], ServerProcess]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with /srv/site/current and /run/daphne in it."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "current").mkdir()
    (folder / "current/venv").symlink_to(sys.prefix)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "CURRENT", folder / "current")
        patch.setattr(servers, "SOCKETS", folder)
        yield folder


@pytest.fixture(scope="module")
def running(machine: Path, top: Path) -> Iterator[dict[str, ServerProcess]]:
    """One process of each server, which no test ends: they start side by side."""
    found = {}
    with ExitStack() as ends:
        for name in EVERY:
            (machine / name).mkdir()
            found[name] = ServerProcess(servers.read(name), machine / name, top)
            ends.callback(found[name].end)
            found[name].start()
        yield found


@pytest.fixture
def make(
    machine: Path, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Makes a process that the test starts and ends, with sockets of its own."""
    folder = machine / tmp_path.name
    folder.mkdir()
    monkeypatch.setattr(servers, "SOCKETS", folder)
    with ExitStack() as ends:

        def make(name: str) -> ServerProcess:
            (folder / name).mkdir()
            made = ServerProcess(servers.read(name), folder / name, top)
            ends.callback(made.end)
            return made

        yield make


def as_nginx_says(address: str, scheme: str = "https") -> dict[str, str]:
    """The headers that site.conf sends, of a client at `address`."""
    return {
        "Host": "site.example:8443",
        "X-Forwarded-Host": "site.example:8443",
        "X-Forwarded-Proto": scheme,
        "X-Forwarded-For": address,
        "X-Real-IP": address,
    }


# Its sockets


@pytest.mark.parametrize("name", EVERY)
def test_it_answers_on_its_own_socket(running: dict[str, ServerProcess], name: str) -> None:
    one = running[name].wait()
    told = one.ask("/a%20room/?b=c", body=b"x" * 3_000_000)
    assert (told["path"], told["size"]) == ("/a room/", 3_000_000)


@pytest.mark.parametrize("name", EVERY)
def test_nginx_may_use_its_socket(running: dict[str, ServerProcess], name: str) -> None:
    """nginx is another user, in no group of the site's: it needs to write (unix(7))."""
    assert running[name].wait().socket.stat().st_mode & 0o666 == 0o666


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize("descriptor", [0, 3], ids=["supervisor", "systemd"])
def test_it_answers_on_the_shared_socket_as_well(make: Make, name: str, descriptor: int) -> None:
    one = make(name).start(descriptor).wait()
    for shared in (True, False):
        told = one.ask(headers=as_nginx_says("203.0.113.7"), shared=shared)
        assert (told["client"], told["scheme"]) == ("203.0.113.7", "https")
        with one.websocket(as_nginx_says("203.0.113.7"), shared=shared) as (client, told):
            assert told["client"] == "203.0.113.7"
            client.send("hello")
            assert client.recv() == "hello"


@pytest.mark.parametrize("name", sorted(set(EVERY) - set(SHARING)))
def test_one_that_shares_no_socket_asks_for_none(name: str) -> None:
    words = servers.read(name).command_line(0, 7, "served:asgi").split()
    assert not [word for word in words if word in ("7", "fd://7")]


# What it tells the application


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7"])
def test_address_and_scheme_of_the_client_arrive(
    running: dict[str, ServerProcess], name: str, address: str, scheme: str
) -> None:
    told = running[name].wait().ask(headers=as_nginx_says(address, scheme))
    assert (told["client"], told["scheme"]) == (address, scheme)


@pytest.mark.parametrize("name", ASGI)
@pytest.mark.parametrize(("scheme", "meant"), [("http", "ws"), ("https", "wss")])
def test_a_websocket_echoes_and_knows_its_client(
    running: dict[str, ServerProcess], name: str, scheme: str, meant: str
) -> None:
    with running[name].wait().websocket(as_nginx_says("203.0.113.7", scheme)) as (client, told):
        assert told["client"] == "203.0.113.7"
        # ASGI's default is "ws", and Daphne tells a websocket no scheme.
        assert told["scheme"] == (None if name == "daphne" else meant)
        for text in ("hello", "é" * 70_000):
            client.send(text)
            assert client.recv() == text


@pytest.mark.parametrize("name", EVERY)
def test_what_the_site_writes_is_nobody_elses(running: dict[str, ServerProcess], name: str) -> None:
    assert running[name].wait().ask()["umask"] == 0o027


@pytest.mark.parametrize("name", EVERY)
def test_a_line_as_long_as_nginx_passes_on_is_taken(
    running: dict[str, ServerProcess], name: str
) -> None:
    """Of large_client_header_buffers, 8k with the line's end."""
    target = "/?" + "x" * (8192 - len("GET /? HTTP/1.1\r\n"))
    assert running[name].wait().ask(target)


# Its processes


@pytest.mark.parametrize("name", EVERY)
def test_it_is_as_many_processes_as_memory_was_counted_for(
    running: dict[str, ServerProcess], name: str
) -> None:
    """A WEB_CONCURRENCY or a gunicorn.conf.py of the project's is for another machine."""
    one = running[name].wait()
    assert one.process
    assert len(one.pids) == (2 if name in WITH_A_WORKER else 1), one.log.read_text()
    # The watch kills the group, and with it all of them.
    assert {os.getpgid(pid) for pid in one.pids} == {one.process.pid}


@pytest.mark.parametrize("name", EVERY)
def test_it_writes_into_neither_the_code_nor_the_home(
    running: dict[str, ServerProcess], name: str
) -> None:
    one = running[name].wait()
    one.ask(body=b"x" * 1_000_000)
    assert list(one.home.iterdir()) == []
    assert {path.name for path in one.code.iterdir()} == {"served.py", "gunicorn.conf.py"}


def test_an_idle_connection_lives_for_as_long_as_nginx_keeps_it(
    running: dict[str, ServerProcess], machine_files: Path
) -> None:
    """Waits for as long: 4 s. A POST that met the server's close would be lost."""
    site = (machine_files / "etc/nginx/sites-available/site.conf").read_text()
    (kept,) = set(re.findall(r"keepalive_timeout (\d+)s;", site))
    with ExitStack() as open_ones:
        idle = {
            name: open_ones.enter_context(one.wait().connect()) for name, one in running.items()
        }
        for connection in idle.values():
            ask_on(connection)
        time.sleep(int(kept) + 0.5)
        for name, connection in idle.items():
            assert ask_on(connection, body=name.encode())["size"] == len(name), name


# How it ends, and starts again


@pytest.mark.parametrize("name", EVERY)
def test_one_that_is_killed_leaves_no_process_and_starts_on_its_stale_socket(
    make: Make, name: str
) -> None:
    one = make(name).start().wait()
    assert one.process
    served_by = one.ask()["pid"]
    one.process.kill()
    one.process.wait(10)
    killed = time.monotonic()
    while one.pids:
        left = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in one.pids}
        assert time.monotonic() < killed + END_SECONDS, left
        time.sleep(0.05)
    assert one.socket.exists()
    one.start().wait()
    assert one.ask()["pid"] != served_by


@pytest.mark.parametrize("name", WITH_A_WORKER)
def test_a_worker_that_dies_is_replaced_or_takes_its_server_with_it(make: Make, name: str) -> None:
    """In both cases the site has its process back: a manager starts one that has ended."""
    one = make(name).start().wait()
    assert one.process
    (worker,) = one.pids - {one.process.pid}
    assert one.ask()["pid"] == worker
    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + END_SECONDS
    while one.process.poll() is None and not one.pids - {one.process.pid, worker}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if one.process.poll() is None:
        assert one.wait().ask()["pid"] != worker


def test_each_ends_in_time_whatever_is_open(make: Make) -> None:
    """Waits for 5 s or so: a manager kills what has not ended after ten."""
    started = {name: make(name).start() for name in EVERY}
    with ExitStack() as open_ones:
        for name, one in started.items():
            one.wait()
            if name in ASGI:
                open_ones.enter_context(one.websocket())
            connection = open_ones.enter_context(one.connect())
            connection.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
            open_ones.enter_context(one.connect())
        time.sleep(0.5)  # until the requests are being answered
        for one in started.values():
            assert one.process
            one.process.terminate()
        asked = time.monotonic()
        for name, one in started.items():
            assert one.process
            left = asked + END_SECONDS - time.monotonic()
            assert one.process.wait(max(left, 0.1)) in (0, -signal.SIGTERM), name
            assert one.pids == set(), name
