"""A guest of the chat, on its websocket."""

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

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


class QuietGuest:
    """Joins the chat in the background and reads what comes, as a browser does.

    That answers the server's pings, too. `heard` is when the last message came (time.monotonic()).
    """

    def __init__(self, url: str) -> None:
        self.heard = time.monotonic()
        self._url = url
        self._guest: Guest | None = None
        self._failure: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._stay, daemon=True)
        self._thread.start()

    def _stay(self) -> None:
        try:
            self._guest = Guest(open_websocket(self._url, PUBLIC))
            # A ping starts a timeout anew: it must be shorter than what lies between two of them.
            self._guest.socket.settimeout(5)
            while not self._over.is_set():
                with suppress(websocket.WebSocketTimeoutException):
                    self._guest.socket.recv()
                    self.heard = time.monotonic()
        except (websocket.WebSocketException, OSError) as error:
            self._failure = error

    @contextmanager
    def speaking(self) -> Iterator[Guest]:
        """Read no more in the background: the guest who speaks now, and leaves at the end.

        Raises what had ended the websocket before.
        """
        self._over.set()
        self._thread.join()
        if self._failure:
            raise self._failure
        assert self._guest
        try:
            yield self._guest
        finally:
            self._guest.socket.close()


# What `new_text` has made.
texts: list[str] = []


def new_text(about: str) -> str:
    """A message like no other."""
    texts.append(f"{about} {uuid.uuid4().hex[:12]}")
    return texts[-1]
