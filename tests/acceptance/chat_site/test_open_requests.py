"""`laurel reload` lets open requests end, also those that nginx may not repeat."""

import threading
import time
from contextlib import contextmanager

import pytest
from acceptance.chat_site.chat import new_text
from acceptance.daphnes import connections, daphnes
from acceptance.stages import during_reload
from acceptance.web import Browser

LOCKED_SECONDS = 16  # at most: the site waits 20 for a lock

# Until the first process gets no more requests, and some of what a drain may take (10 s) is over.
HOLD_THE_DATABASE = f"""
import sqlite3, time
db = sqlite3.connect("/var/lib/site/db.sqlite3", isolation_level=None)
db.execute("begin exclusive")
print("held", flush=True)
for _ in range({10 * LOCKED_SECONDS}):
    if " down;" in open("/etc/nginx/sites-available/site.conf").read():
        time.sleep(3)
        print("drained meanwhile")
        break
    time.sleep(0.1)
db.execute("rollback")
"""


answers: list[int] = []


@contextmanager
def slow_forms(machine):
    """Forms that are being taken while the context lasts; `answers` are what became of them."""
    text = new_text("a slow form")

    def post(browser, token):
        answer = browser.submit("/", "/say/", {"message": text}, token)
        answers.append(answer.status_code)

    # The tokens come first: while the database is held, no page is to be had.
    browsers = [Browser(machine.url) for _ in range(2 * len(daphnes(machine)))]
    posts = [
        threading.Thread(target=post, args=(browser, browser.token("/"))) for browser in browsers
    ]
    unit = f"hold-{text.split()[-1]}"
    machine.succeed(
        f"systemd-run --quiet --collect --unit={unit} --uid=site"
        f" /usr/bin/python3 -c '{HOLD_THE_DATABASE}'"
    )
    told = f"journalctl -u {unit} --no-pager"
    machine.wait_until_succeeds(f"{told} | grep -q held", timeout=60)
    for thread in posts:
        thread.start()
    try:
        time.sleep(1)
        assert sum(connections(machine).values()) >= len(posts)
        yield
        machine.succeed(f"{told} | grep 'drained meanwhile'")
    finally:
        for thread in posts:
            thread.join()


# A reload takes a minute under emulation: the check of what it does to visitors shares its own.
during_reload.append(slow_forms)


@pytest.mark.once
@pytest.mark.disruptive
def test_no_open_request_is_cut_off_by_a_reload(machine):
    if not answers:
        with slow_forms(machine):
            machine.succeed("laurel reload", timeout=600)
    assert answers == [302] * 2 * len(daphnes(machine))
