"""A guest of the chat, on its websocket."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import websocket
from acceptance.web import ANSWER_SECONDS, open_websocket

PUBLIC = "/chat/"
STAFF = "/chat/admin/"


class Guest:
    """One open websocket. `said` holds every message that it was sent."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self.socket = socket
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Send a message; its echo comes when the site has stored it."""
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
def guest(url: str, path: str = PUBLIC, cookie: str | None = None) -> Iterator[Guest]:
    """Join the chat, and leave it at the end."""
    socket = open_websocket(url, path, cookie=cookie)
    try:
        yield Guest(socket)
    finally:
        socket.close()


def new_text(about: str) -> str:
    """A message like no other."""
    return f"{about} {uuid.uuid4().hex[:12]}"
