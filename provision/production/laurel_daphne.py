"""The project's ASGI application under Daphne, with what Daphne lacks.

Daphne takes from the project what it sends, and from the client what it sends, as fast as it comes.
A client that does not read, or sends faster than the project reads, would fill the memory. Here
`send` waits while Twisted's transport is full, and the transport waits while the queue of received
messages is. nginx then closes the connection of a client that reads nothing (send_timeout).

Daphne also raises an error for close codes from 1001 to 2999, among them 1012 and 1013.
"""

import asyncio
import functools
from collections.abc import MutableMapping
from typing import Any

from laurel_asgi import Message, Receive, Send
from laurel_asgi import application as inner

OFFICIAL_CODES = range(1001, 3000)  # RFC 6455, 7.4.2
FULL, ROOM = 64, 16  # received messages that wait for the project: stop the client, and go on


class Flow:
    """The connection of one request or websocket, as Twisted's IPushProducer."""

    def __init__(self, protocol: Any, queue: "asyncio.Queue[Message]") -> None:
        self._protocol, self._queue = protocol, queue
        self._room = asyncio.Event()
        self._room.set()
        self._consumer: Any = None
        self._stopped = False

    def watch(self, message: Message) -> None:
        """Register with the transport when the answer begins, and leave it before it ends."""
        if message["type"] == "websocket.accept":
            # Daphne has handed the request's transport on, with its HTTP channel as the producer.
            # A client that breaks the protocol gets a close code, such as 1009 for a large message.
            self._protocol.failByDrop = False
            self._consumer = self._protocol.transport
            self._consumer.unregisterProducer()
            self._consumer.registerProducer(self, True)
            put = self._queue.put_nowait
            self._queue.put_nowait = functools.partial(self._put, put)  # type: ignore[method-assign]
        elif message["type"] == "http.response.body":
            more = message.get("more_body", False)
            if more and self._consumer is None:
                self._consumer = self._protocol
                self._consumer.registerProducer(self, True)
            elif not more and self._consumer is not None:
                self._consumer.unregisterProducer()
                self._room.set()

    def _put(self, put: Any, message: Message) -> None:
        put(message)
        if not self._stopped and self._queue.qsize() > FULL:
            self._stopped = True
            self._protocol.transport.pauseProducing()

    def taken(self) -> None:
        """Let the client go on when the project has read its messages."""
        if self._stopped and self._queue.qsize() < ROOM:
            self._stopped = False
            self._protocol.transport.resumeProducing()

    async def room(self) -> None:
        """Wait until the transport takes more."""
        await self._room.wait()

    def pauseProducing(self) -> None:  # noqa: N802 # Twisted's name
        """The transport is full."""
        self._room.clear()

    def resumeProducing(self) -> None:  # noqa: N802 # Twisted's name
        """The transport has room."""
        self._room.set()

    def stopProducing(self) -> None:  # noqa: N802 # Twisted's name
        """The connection has ended."""
        self._room.set()


async def application(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Call the project's application with a `send` that waits for the client."""
    # Daphne passes the `get` of a queue, and `handle_reply` bound to the connection's protocol.
    queue = getattr(receive, "__self__", None)
    if not isinstance(send, functools.partial) or not isinstance(queue, asyncio.Queue):
        await inner(scope, receive, send)
        return
    protocol = send.args[0]
    flow = Flow(protocol, queue)

    async def take() -> Message:
        message = await receive()
        flow.taken()
        return message

    async def give(message: Message) -> None:
        code = message.get("code") or 0
        # Before the handshake has ended, Daphne answers with 403.
        opened = not hasattr(protocol, "handshake_deferred")
        if message["type"] == "websocket.close" and opened and code in OFFICIAL_CODES:
            protocol.sendCloseFrame(code=code)
            return
        ends = message["type"] == "http.response.body" and not message.get("more_body", False)
        if ends:
            flow.watch(message)
        await send(message)
        if not ends:
            flow.watch(message)
            await flow.room()

    await inner(scope, take, give)
