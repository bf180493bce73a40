"""A guest of the chat, on a websocket."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import websocket
from acceptance.web import ANSWER_SECONDS, open_websocket

PUBLIC = "/chat/"
STAFF = "/chat/admin/"


class Guest:
    """One open websocket. `said` holds every message that it received."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self.socket = socket
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Send a message; the site echoes it after storing it."""
        self.socket.send(json.dumps({"message": text, "name": "proof"}))

    def hear(self, text: str, seconds: float = ANSWER_SECONDS) -> None:
        """Read until `text` comes. Raises AssertionError after `seconds`, or for an error."""
        deadline = time.monotonic() + seconds
        while text not in self.said:
            self.socket.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                frame = json.loads(self.socket.recv())
            except websocket.WebSocketTimeoutException:
                raise AssertionError(f"{text!r} did not come in {seconds:.0f} s") from None
            assert frame["type"] == "message", frame
            self.said.append(frame["message"])


@contextmanager
def guest(
    url: str,
    path: str = PUBLIC,
    cookie: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Guest]:
    """Join the chat, and leave it at the end."""
    socket = open_websocket(url, path, cookie=cookie, headers=headers)
    try:
        yield Guest(socket)
    finally:
        socket.close()


# All results of `new_text`, to be deleted from a host at the end.
texts: list[str] = []


def new_text(about: str) -> str:
    """A unique message."""
    texts.append(f"{about} {uuid.uuid4().hex[:12]}")
    return texts[-1]
