"""What clients do to a site: floods, slow and malformed requests.

An attack gets the machine and the load. It checks the answers to its own requests, and raises
AssertionError if one is not as it must be.
"""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from acceptance.reliability.load import PUBLIC, Load, addresses
from hypothesis import HealthCheck, given, settings, strategies
from machine.host import Host
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

ANSWER = 20.0  # seconds
WEBSOCKETS = 10_000
AT_ONCE = 50  # handshakes; the chat sends guests away if the layer takes longer than 2 s
SLOW = 2000
ONE_CLIENT = 600
CLIENT_WEBSOCKETS = 250  # the default
FLOOD = 20_000
LOGS = 120 << 20  # bytes that nginx's logs may have after a flood
LARGEST_GROWTH = 150  # MiB of a process that sends to a reader that never reads
KEPT = 5.0  # seconds during which idle websockets must stay
_open: list[Any] = []  # what an attack keeps open until its mend


def get(load: Load, path: str) -> bytes:
    """The answer to a request, or what came of it."""
    return exchange(
        load, f"GET {path} HTTP/1.1\r\nHost: {load.host}\r\nConnection: close\r\n\r\n".encode()
    )


def exchange(load: Load, request: bytes, source: str | None = None, wait: float = 90.0) -> bytes:
    """Send raw bytes from `source`; return all that comes within `wait` seconds."""
    given_address = source or next(addresses(load.host.startswith("127.")))
    origin = (given_address, 0) if given_address else None
    received = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((load.host, load.port), wait, source_address=origin) as connection,
    ):
        connection.settimeout(wait)
        connection.sendall(request)
        while more := connection.recv(1 << 16):
            received += more
    return received


def status(answer: bytes) -> int:
    """The status of the first answer in `answer`; 0 if there is none."""
    words = answer.split(None, 2)
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") else 0


def close_all() -> None:
    """End what an attack kept open."""
    while _open:
        one = _open.pop()
        if isinstance(one, threading.Event):
            one.set()
        else:
            one.close()


def _websocket(load: Load, **options: Any) -> connect:
    source = options.pop("source", None) or next(addresses(load.host.startswith("127.")))
    return connect(
        f"ws://{load.host}:{load.port}{PUBLIC}",
        origin=Origin(f"http://{load.host}"),
        local_addr=(source, 0) if source else None,
        open_timeout=90,
        ping_interval=None,
        compression=None,
        **options,
    )


def _keep(load: Load, number: int, source: Callable[[], str | None]) -> tuple[list[Any], list[str]]:
    """Open `number` websockets in a thread that keeps them; return them and the refusals."""
    opened: list[Any] = []
    refused: list[str] = []
    done, end = threading.Event(), threading.Event()
    _open.append(end)

    async def work() -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with gate:
                try:
                    opened.append(await _websocket(load, source=source()))
                except (OSError, WebSocketException, TimeoutError) as error:
                    refused.append(str(error))

        await asyncio.gather(*(one() for _ in range(number)))
        done.set()
        while not end.is_set():
            await asyncio.sleep(0.2)
        await asyncio.gather(*(one.close() for one in opened), return_exceptions=True)

    threading.Thread(target=lambda: asyncio.run(work()), daemon=True).start()
    assert done.wait(600), f"{len(opened)} of {number} websockets are open after 600 s"
    return opened, refused


def idle_websockets(machine: Host, load: Load) -> None:
    """10,000 guests do nothing; all are let in, and stay."""
    before = _memory(machine)
    opened, refused = _keep(load, WEBSOCKETS, lambda: None)
    time.sleep(KEPT)
    open_now = sum(one.state.name == "OPEN" for one in opened)
    used = _memory(machine) - before
    print(
        f"    {open_now} websockets open, {used} MiB more, {used * 1024 / WEBSOCKETS:.0f} KiB each"
    )
    assert not refused, f"{len(refused)} refused: {refused[0]}"
    gone = [one.close_code for one in opened if one.state.name != "OPEN"]
    assert not gone, f"{open_now} of {WEBSOCKETS} stay open; others were closed with {set(gone)}"


def _memory(machine: Host) -> int:
    """MiB that nginx, the site and the kernel's sockets use (proc(5), net/sockstat: pages)."""
    programs = machine.succeed(
        "ps -u site,www-data -o rss= | awk '{n += $1} END {print int(n / 1024)}'"
    )
    sockets = machine.succeed("awk '/^TCP:/ {print int($NF / 256)}' /proc/net/sockstat")
    return int(programs) + int(sockets)


def frames_at_once(_: Host, load: Load) -> None:
    """1,000 guests send 10 frames at once; each frame is answered."""
    answers = 0

    async def work() -> None:
        nonlocal answers
        gate = asyncio.Semaphore(AT_ONCE)

        async def opened() -> Any:
            async with gate:
                return await _websocket(load, max_queue=None)

        guests = await asyncio.gather(*(opened() for _ in range(1000)))

        async def talk(guest: Any) -> int:
            for _ in range(10):
                await guest.send("{}")  # the chat answers it with an error, from this process alone
            count = 0
            while count < 10:
                answer = json.loads(await asyncio.wait_for(guest.recv(), 120))
                count += answer["type"] == "error"
            return count

        answers = sum(await asyncio.gather(*(talk(guest) for guest in guests)))
        await asyncio.gather(*(guest.close() for guest in guests))

    asyncio.run(work())
    assert answers == 10_000, f"{answers} of 10000 frames were answered"


def never_reads(machine: Host, load: Load) -> None:
    """A client sends and never reads its echoes: the processes must not grow with it."""
    before = int(machine.succeed(LARGEST_PROCESS))
    source = next(addresses(load.host.startswith("127.")))
    connection = socket.create_connection(
        (load.host, load.port), 20, source_address=(source, 0) if source else None
    )
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(
        f"GET {PUBLIC} HTTP/1.1\r\nHost: {load.host}\r\nOrigin: http://{load.host}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    _open.append(connection)
    # A frame that the chat answers with an error; RFC 6455, 5.2: masked text with a mask of zeros.
    frame = b"\x81\x82\x00\x00\x00\x00{}"
    connection.settimeout(5)
    with contextlib.suppress(OSError):
        for _ in range(3000):
            connection.sendall(frame * 1000)
    grown = int(machine.succeed(LARGEST_PROCESS)) - before
    print(f"    the largest process has grown by {grown} MiB")
    assert grown < LARGEST_GROWTH, f"a process has grown by {grown} MiB"


LARGEST_PROCESS = "ps -u site -o rss= | sort -n | tail -1 | awk '{print int($1 / 1024)}'"


def _connections(load: Load, number: int, data: bytes) -> None:
    """Open connections that send `data` and nothing more."""
    sources = addresses(load.host.startswith("127."))
    for _ in range(number):
        source = next(sources)
        with contextlib.suppress(OSError):
            one = socket.create_connection(
                (load.host, load.port), 5, source_address=(source, 0) if source else None
            )
            one.sendall(data)
            _open.append(one)


def slow_headers(_: Host, load: Load) -> None:
    """Requests whose headers never end."""
    _connections(load, SLOW, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")


def slow_bodies(_: Host, load: Load) -> None:
    """Requests whose bodies never end."""
    head = f"POST / HTTP/1.1\r\nHost: {load.host}\r\nContent-Length: 9000000\r\n\r\n"
    _connections(load, SLOW, head.encode() + b"x" * 1000)


def one_client(machine: Host, load: Load) -> None:
    """One address opens more websockets than it may; the rest are refused with 503."""
    source = "127.99.0.1" if load.host.startswith("127.") else None
    opened, refused = _keep(load, ONE_CLIENT, lambda: source)
    limit = CLIENT_WEBSOCKETS
    assert len(opened) <= limit, f"one client has {len(opened)} websockets, not {limit} at most"
    other = [one for one in refused if "503" not in one and "429" not in one]
    assert not other, f"refused with {other[0]}"
    machine.succeed("laurel status || true")


def log_flood(machine: Host, load: Load) -> None:
    """Requests that would fill the disk with their lines in the log."""
    header = "X: 1\r\nUser-Agent: " + '"' * 7000 + "\r\nReferer: " + '"' * 7000
    request = f"GET /?{'x' * 7000} HTTP/1.1\r\nHost: {load.host}\r\n{header}\r\n\r\n".encode()
    sources = addresses(load.host.startswith("127."))

    def flood() -> None:
        for _ in range(FLOOD // 4 // 100):
            exchange(load, request * 100, next(sources), wait=10)

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    size = int(machine.succeed("du -cb /var/log/site/nginx-* | tail -1 | cut -f1"))
    lines = int(machine.succeed("cat /var/log/site/nginx-access.log* | wc -l"))
    print(f"    nginx's logs have {size >> 20} MiB, {lines} lines")
    assert size < LOGS, f"nginx's logs have {size >> 20} MiB"


def _expect(load: Load, request: bytes, wanted: tuple[int, ...], what: str) -> None:
    found = status(exchange(load, request, wait=ANSWER))
    assert found in wanted, f"{what}: {found}, not {wanted}"


def oversized(_: Host, load: Load) -> None:
    """Too large requests are refused by nginx; a too large frame closes its websocket."""
    host = f"Host: {load.host}\r\n"
    _expect(
        load,
        f"GET / HTTP/1.1\r\n{host}X: {'x' * 40000}\r\n\r\n".encode(),
        (400, 431, 494),
        "a large header",
    )
    _expect(load, f"GET /{'x' * 40000} HTTP/1.1\r\n{host}\r\n".encode(), (414,), "a long path")
    many = "".join(f"X-{number}: x\r\n" for number in range(20000))
    _expect(load, f"GET / HTTP/1.1\r\n{host}{many}\r\n".encode(), (400, 431, 494), "many headers")
    _expect(
        load,
        f"POST / HTTP/1.1\r\n{host}Content-Length: 99999999999\r\n\r\n".encode(),
        (413,),
        "a large body",
    )

    async def large_frame() -> int:
        async with _websocket(load) as guest:
            await guest.send("x" * (2 << 20))
            with contextlib.suppress(WebSocketException):
                while True:
                    await asyncio.wait_for(guest.recv(), ANSWER)
            return int(guest.close_code or 0)

    code = asyncio.run(large_frame())
    assert code == 1009, f"a large frame closes with {code}, not 1009"


def bad_utf8(_: Host, load: Load) -> None:
    """Bytes that are not UTF-8 are refused or served, never an error of the server."""
    for where in (
        b"GET /\xff\xfe HTTP/1.1\r\nHost: %s\r\n\r\n",
        b"GET /%%ff%%fe HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
        b"GET /?q=%%ff HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: %s\r\nCookie: \xff\xfe\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: \xc3\x28\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff%s\r\nConnection: close\r\n\r\n",
    ):
        found = status(exchange(load, where % load.host.encode(), wait=ANSWER))
        assert 0 < found < 500, f"{where!r}: {found}"

    async def bad_frame() -> int:
        async with _websocket(load) as guest:
            # RFC 6455, 8.1: text that is not UTF-8 closes with 1007.
            await guest.send(b"\xff\xfe", text=True)
            with contextlib.suppress(WebSocketException):
                while True:
                    await asyncio.wait_for(guest.recv(), ANSWER)
            return int(guest.close_code or 0)

    code = asyncio.run(bad_frame())
    assert code == 1007, f"a frame that is not UTF-8 closes with {code}, not 1007"


def smuggling(_: Host, load: Load) -> None:
    """Pairs of contradicting lengths: the second request never reaches a process on its own."""
    hidden = f"GET /laurel-smuggled HTTP/1.1\r\nHost: {load.host}\r\n\r\n"
    length, chunked = f"Content-Length: {len(hidden) + 5}", "Transfer-Encoding: chunked"
    for first, second in (
        (length, chunked),
        (chunked, length),
        (length, "Transfer-Encoding : chunked"),
        (length, "Transfer-Encoding:\tchunked"),
        (length, "Transfer-Encoding: xchunked"),
        (length, "Transfer-Encoding: identity, chunked"),
        (length, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        (length, "X: y\r\n Transfer-Encoding: chunked"),
        (length, "Content-Length: 0"),
        ("Content-Length: +5", "X: y"),
        ("Content-Length: 5, 5", "X: y"),
        ("Content-Length: 0x5", "X: y"),
    ):
        head = f"POST / HTTP/1.1\r\nHost: {load.host}\r\nConnection: close\r\n{first}\r\n{second}"
        request = f"{head}\r\n\r\n0\r\n\r\n{hidden}"
        answer = exchange(load, request.encode(), wait=ANSWER)
        assert answer.count(b"HTTP/1.1 ") <= 1, (
            f"{first!r}, {second!r}: two answers: {answer[:200]!r}"
        )
        # 501: nginx does not know this Transfer-Encoding.
        assert status(answer) < 500 or status(answer) == 501, f"{first!r}, {second!r}: {answer!r}"


def fuzz(_: Host, load: Load) -> None:
    """No request that hypothesis finds is answered with an error of the server."""
    token = strategies.text("abcXYZ-_/%.:;=?&\x00\xff \t\"'{}[]<>", max_size=40)
    sources = addresses(load.host.startswith("127."))

    @settings(
        max_examples=400,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        method=strategies.sampled_from(
            ["GET", "POST", "HEAD", "PUT", "OPTIONS", "TRACE", "get", "X"]
        ),
        path=token,
        version=strategies.sampled_from(["1.1", "1.0", "0.9", "2.0", "9.9", ""]),
        headers=strategies.lists(strategies.tuples(token, token), max_size=6),
        body=strategies.binary(max_size=200),
    )
    def ask(
        method: str, path: str, version: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        lines = [f"{method} /{path} HTTP/{version}", f"Host: {load.host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Content-Length: {len(body)}"] if method in ("POST", "PUT") else []
        request = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        answer = exchange(load, request, next(sources), wait=ANSWER)
        assert status(answer) < 500 or status(answer) in (501, 505), (
            f"{request!r}: {answer[:100]!r}"
        )

    ask()
