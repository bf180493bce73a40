"""A fixture for the checks of the projects under tests/projects/."""

import time
from contextlib import closing

import pytest
import websocket
from acceptance.processes import guests_of_every_process
from acceptance.web import ANSWER_SECONDS, open_websocket


@pytest.fixture
def hear(machine):
    """Sends a text on a websocket path; returns the message that guests of every process got."""

    def say(path, text, until, **options):
        def join():
            return closing(open_websocket(machine.url, path, **options))

        with guests_of_every_process(machine, join) as guests:
            guests[0].send(text)
            return [_until(guest, until) for guest in guests]

    return say


def _until(guest, text):
    """The first message that contains `text`."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        guest.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            message = guest.recv()
        except websocket.WebSocketTimeoutException:
            break
        if text in message:
            return message
    raise AssertionError(f"{text!r} did not come within {ANSWER_SECONDS:.0f} s")
