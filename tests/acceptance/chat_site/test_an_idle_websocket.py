"""An idle websocket stays open. This runs first, before other checks send messages."""

import time

import pytest
from acceptance.chat_site.chat import new_text

IDLE_SECONDS = 75  # nginx's default timeout is 60


@pytest.mark.short
@pytest.mark.once
@pytest.mark.writes
def test_an_idle_websocket_lives(quiet_guest, record_property):
    time.sleep(max(0.0, quiet_guest.heard + IDLE_SECONDS - time.monotonic()))
    record_property("seconds of silence", round(time.monotonic() - quiet_guest.heard))
    assert time.monotonic() - quiet_guest.heard >= IDLE_SECONDS
    text = new_text("after a long silence")
    with quiet_guest.speaking() as guest:
        guest.say(text)
        guest.hear(text)
