"""The load that runs while a fault holds: visitors, guests on websockets, and one who writes.

Every guest has an address of its own in 127.0.0.0/8 where the machine is this host, so that the
limits of one client do not hold for all of them together.
"""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

VISITORS = 4  # each sends a request about every PAUSE seconds
GUESTS = 20
PAUSE = 0.05
SLOW_PAUSE = 0.5  # for an emulated machine
MESSAGE_PAUSE = 1.0  # the chat keeps 50 messages: a guest that is back has missed none
TIMEOUT = 90.0  # seconds for an answer: READ_TIMEOUT is 60
BACK = 0.5  # seconds until a guest whose websocket was closed comes back
PUBLIC = "/chat/"
FAILED = 500  # and above

_numbers = itertools.count(1)


def addresses(local: bool) -> Iterator[str | None]:
    """Source addresses: different ones, if the machine is this host."""
    for number in _numbers:
        yield f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}" if local else None


@dataclass
class Result:
    """What the load has seen: counts, and the times of failures (time.monotonic)."""

    requests: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)
    websockets_lost: list[tuple[float, str]] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    open: int = 0  # websockets now
    heard: list[set[str]] = field(default_factory=list)  # the messages that each guest got

    def missed(self, messages: list[str]) -> int:
        """How many of `messages` some guest has not got."""
        return sum(any(one not in heard for heard in self.heard) for one in messages)

    def since(self, began: float) -> "Result":
        """The failures after `began`."""
        return Result(
            self.requests,
            [one for one in self.failures if one[0] >= began],
            [one for one in self.websockets_lost if one[0] >= began],
        )


class Load:
    """Runs in a thread of its own until the block ends."""

    def __init__(self, url: str, page: str = "/", guests: int = GUESTS) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.page, self.guests = page, guests
        self.result = Result()
        local = self.host.startswith("127.") and self.port == 80
        self._addresses = addresses(local)
        self._pause = PAUSE if local else SLOW_PAUSE
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(10)

    def _end(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        tasks: list[Coroutine[Any, Any, None]] = [self._visit() for _ in range(VISITORS)]
        tasks += [self._listen() for _ in range(self.guests)]
        tasks.append(self._write())

        async def all_of_them() -> None:
            await asyncio.gather(*tasks, return_exceptions=True)

        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(all_of_them())

    async def _visit(self) -> None:
        source = next(self._addresses)
        while True:
            began = time.monotonic()
            try:
                status = await asyncio.wait_for(self._get(source), TIMEOUT)
                if status >= FAILED:
                    self.result.failures.append((began, f"HTTP {status}"))
            except (OSError, ValueError, EOFError, TimeoutError) as error:
                self.result.failures.append((began, repr(error)))
            self.result.requests += 1
            await asyncio.sleep(self._pause)

    async def _get(self, source: str | None) -> int:
        local = (source, 0) if source else None
        reader, writer = await asyncio.open_connection(self.host, self.port, local_addr=local)
        try:
            head = f"GET {self.page} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.read()  # all of it: a page that is cut off is a failure
            start, _, body = answer.partition(b"\r\n\r\n")
            for line in start.lower().split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name == b"content-length" and int(value) != len(body):
                    raise ValueError(f"{len(body)} of {int(value)} bytes")
            return int(start.split(None, 2)[1])
        except IndexError:
            raise EOFError("no answer") from None
        finally:
            writer.close()

    def _websocket(self) -> connect:
        source = next(self._addresses)
        return connect(
            f"ws://{self.host}:{self.port}{PUBLIC}",
            origin=Origin(f"http://{self.host}"),
            local_addr=(source, 0) if source else None,
            open_timeout=TIMEOUT,
            ping_interval=None,
            max_queue=None,
        )

    async def _listen(self) -> None:
        heard: set[str] = set()
        self.result.heard.append(heard)
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):  # it did not open
                websocket = await self._websocket()
                self.result.open += 1
                with suppress(WebSocketException):
                    async for frame in websocket:
                        heard.add(json.loads(frame).get("message", ""))
                self.result.open -= 1
                code = f"closed with {websocket.close_code}"
                self.result.websockets_lost.append((time.monotonic(), code))
            await asyncio.sleep(BACK)

    async def _write(self) -> None:
        """Send numbered messages; one that comes back is acknowledged: it was stored."""
        name = f"load-{time.time_ns()}"
        while True:
            text = f"{name}-{next_number()}"
            with suppress(OSError, WebSocketException, TimeoutError):
                async with self._websocket() as websocket:
                    while True:
                        await websocket.send(json.dumps({"message": text, "name": "load"}))
                        async with asyncio.timeout(TIMEOUT):
                            while json.loads(await websocket.recv()).get("message") != text:
                                pass
                        self.result.acknowledged.append(text)
                        text = f"{name}-{next_number()}"
                        await asyncio.sleep(MESSAGE_PAUSE)
            await asyncio.sleep(BACK)


_written = itertools.count()


def next_number() -> str:
    """A number that no other message has."""
    return f"m{next(_written)}"
