"""`make sync` serves an edit of the project, and restarts one process at a time.

Needs Vagrant's machine, made with APP=<a copy of app/>, which this edits.
"""

import os
import subprocess
import time
from pathlib import Path

import pytest
import websocket
from acceptance.chat_site.chat import Guest, guest, new_text
from acceptance.processes import guests_of_every_process, wait_until_healthy
from acceptance.web import Browser
from machine.vagrant import vagrant_host

TOP = Path(__file__).resolve().parents[2]
PAGE = "chat/templates/chat/room.html"
SYNC_SECONDS = 600


def is_open(guest: Guest) -> bool:
    """Read pending messages; whether the websocket is still open."""
    guest.socket.settimeout(0.2)
    try:
        while True:
            guest.socket.recv()
    except websocket.WebSocketTimeoutException:
        return True
    except (websocket.WebSocketException, OSError):
        return False


@pytest.fixture
def project() -> Path:
    """The project of the machine."""
    given = os.environ.get("APP")
    assert given, "APP must name a copy of app/"
    path = Path(given).resolve()
    assert path != TOP / "app", "this edits the project: make the machine with a copy"
    return path


def test_edit_is_served_without_losing_all_guests(project: Path) -> None:
    marker = new_text("an edit")
    page = project / PAGE
    page.write_text(page.read_text() + f"<!-- {marker} -->\n")
    with vagrant_host(TOP / "vagrant") as machine:
        with guests_of_every_process(machine, lambda: guest(machine.url)) as guests:
            started = time.monotonic()
            sync = subprocess.Popen(
                ["make", "sync"],
                cwd=TOP,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            # Two looks in a row: a single one may happen while all websockets close.
            some_left, one_process_at_a_time = False, False
            while sync.poll() is None and time.monotonic() - started < SYNC_SECONDS:
                before_this = some_left
                some_left = 0 < sum(is_open(one) for one in guests) < len(guests)
                one_process_at_a_time |= before_this and some_left
            output, _ = sync.communicate(timeout=10)
            print(f"synced in {time.monotonic() - started:.0f} s\n{output}")
            assert sync.returncode == 0, output
        wait_until_healthy(machine)
        assert marker in Browser(machine.url).get("/").text
        assert one_process_at_a_time, "no guest left, or all at once"
