"""The project's ASGI application, with what neither nginx nor a server does.

- Websockets are closed with code 1012 (RFC 6455, 7.4.1; IANA: service restart) when a reload asks
  for it, a few at a time: see CLOSING.
- An answer without a Content-Length is a stream, and nginx passes it on at once.
- A message that is larger than WEBSOCKET_MESSAGE closes its websocket, also under a server that has
  no such setting (granian).
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, ClassVar

from laurel_application import application as project

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

SERVICE_RESTART, TOO_BIG = 1012, 1009
# `laurel reload` makes this file: the seconds over which to close all websockets.
CLOSING = Path(os.environ.get("LAUREL_SOCKET", "/run/daphne/none") + ".closing")
LARGEST = int(os.environ.get("LAUREL_WEBSOCKET_MESSAGE", "0"))  # bytes; 0: no limit
LOOK = 1.0  # seconds between two looks for the file


class Websocket:
    """One websocket; `send` and `receive` are what the project gets instead of the server's."""

    accepted: ClassVar["set[Websocket]"] = set()
    closer: ClassVar["asyncio.Task[None] | None"] = None

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.closed = False

    async def send(self, message: Message) -> None:
        """Pass a message of the project to the client; drop it if the websocket is closed."""
        if self.closed:
            return
        if message["type"] == "websocket.accept":
            Websocket.accepted.add(self)
            if Websocket.closer is None or Websocket.closer.done():
                Websocket.closer = asyncio.ensure_future(close_all())
        elif message["type"] == "websocket.close":
            self.closed = True
            Websocket.accepted.discard(self)
        await self._send(message)

    async def receive(self) -> Message:
        """Wait for the client's next message."""
        message = await self._receive()
        if LARGEST and message["type"] == "websocket.receive":
            text, data = message.get("text"), message.get("bytes")
            # No character takes more than four bytes.
            if len(data or b"") > LARGEST or (
                text and 4 * len(text) > LARGEST and len(text.encode()) > LARGEST
            ):
                await self.close(TOO_BIG)
                return {"type": "websocket.disconnect", "code": TOO_BIG}
        return message

    async def close(self, code: int) -> None:
        """Close the websocket; the server then tells the project of it."""
        if not self.closed:
            await self.send({"type": "websocket.close", "code": code})


async def close_all() -> None:
    """Close the websockets over the time that CLOSING says, once that file exists."""
    while Websocket.accepted:
        await asyncio.sleep(LOOK)
        try:
            seconds = float(CLOSING.read_text())
        except (OSError, ValueError):
            continue
        left = list(Websocket.accepted)
        began = asyncio.get_running_loop().time()
        for count, websocket in enumerate(left):
            early = began + seconds * count / len(left) - asyncio.get_running_loop().time()
            if early > 0:
                await asyncio.sleep(early)
            await websocket.close(SERVICE_RESTART)
        # If the reload ends here, this process goes on.
        CLOSING.unlink(missing_ok=True)


def streamed(send: Send) -> Send:
    """`send` for an HTTP request: a stream asks nginx not to hold it."""

    async def mark(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {bytes(name).lower() for name, _ in headers}
            if not names & {b"content-length", b"x-accel-buffering"}:
                message = {**message, "headers": [*headers, (b"x-accel-buffering", b"no")]}
        await send(message)

    return mark


def wrap(inner: Application) -> Application:
    """The application `inner` with all of the above."""

    async def application(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            websocket = Websocket(receive, send)
            try:
                await inner(scope, websocket.receive, websocket.send)
            finally:
                Websocket.accepted.discard(websocket)
        elif scope["type"] == "http":
            await inner(scope, receive, streamed(send))
        else:
            await inner(scope, receive, send)

    return application


application = wrap(project("ASGI"))
