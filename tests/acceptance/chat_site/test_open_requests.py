"""`laurel reload` lets open requests finish, also POSTs, which nginx may not repeat."""

import threading
import time
from contextlib import contextmanager
from itertools import count

import pytest
from acceptance.chat_site.chat import new_text
from acceptance.processes import http_group, processes
from acceptance.web import Browser

OPEN_SECONDS = 2  # for the forms of a round to be sent
LOCKED_SECONDS = 14  # at most, after that: the site waits 20 for a lock

# Locks the database until nginx drains another process that takes forms, and 3 s more of the 10 s
# that a drain may take. argv: the common part of nginx's lines for those processes.
HOLD_THE_DATABASE = f"""
import sqlite3, sys, time


def drained():
    lines = open("/etc/nginx/sites-available/site.conf").read().splitlines()
    return set(line for line in lines if sys.argv[1] in line and " down;" in line)


db = sqlite3.connect("/var/lib/site/db.sqlite3", isolation_level=None, timeout=60)
db.execute("begin exclusive")
print("held", flush=True)
time.sleep({OPEN_SECONDS})
before = drained()
for _ in range({10 * LOCKED_SECONDS}):
    time.sleep(0.1)
    if drained() - before:
        time.sleep(3)
        print("drained meanwhile")
        break
db.execute("rollback")
"""


class Forms:
    """Rounds of posted forms, one for each visitor, that stay open while a round lasts.

    `answers` are statuses and errors; `drained` is whether a process was drained in a round.
    """

    def __init__(self, machine):
        self.answers = []
        self.drained = False
        self._machine = machine
        self._text = new_text("a slow form")
        takers = processes(machine, http_group(machine))
        self._sockets = takers[0].socket.removesuffix("0.sock")
        # The tokens come first: while the database is locked, no page is served.
        browsers = [Browser(machine.url) for _ in range(2 * len(takers))]
        self._visitors = [(browser, browser.token("/")) for browser in browsers]

    def round(self, number, opened):
        """Post the forms, set `opened`, and wait for the answers."""
        machine, unit = self._machine, f"hold-{self._text.split()[-1]}-{number}"
        machine.succeed(
            f"systemd-run --quiet --collect --unit={unit} --uid=site"
            f" /usr/bin/python3 -c '{HOLD_THE_DATABASE}' {self._sockets}"
        )
        log = f"journalctl -u {unit} --no-pager"
        machine.wait_until_succeeds(f"{log} | grep -q held", timeout=60)
        before = len(self.answers)
        posts = [threading.Thread(target=self._post, args=visitor) for visitor in self._visitors]
        for thread in posts:
            thread.start()
        time.sleep(1)
        all_are_open = len(self.answers) == before
        opened.set()
        for thread in posts:
            thread.join()
        drained = machine.execute(f"{log} | grep 'drained meanwhile'").status == 0
        self.drained = all_are_open and drained

    def _post(self, browser, token):
        # One connection each: a POST on a kept connection that nginx closes is not repeated.
        closing = {"Connection": "close"}
        try:
            answer = browser.submit("/", "/say/", {"message": self._text}, token, headers=closing)
            self.answers.append(answer.status_code)
        except OSError as error:
            self.answers.append(error)


@contextmanager
def slow_forms(machine):
    """Keeps forms open while the context lasts.

    It takes several rounds, because other processes may be reloaded first.
    """
    forms = Forms(machine)
    opened, over = threading.Event(), threading.Event()

    def rounds():
        for number in count():
            forms.round(number, opened)
            if forms.drained or over.is_set():
                break

    thread = threading.Thread(target=rounds)
    thread.start()
    opened.wait(timeout=120)
    try:
        yield forms
    finally:
        over.set()
        thread.join()
    assert forms.drained, "no process was drained while forms were open"


@pytest.mark.short
@pytest.mark.once
@pytest.mark.disruptive
@pytest.mark.unless(PROCESSES="1")
def test_reload_cuts_off_no_open_request(machine):
    with slow_forms(machine) as forms:
        machine.succeed("laurel reload", timeout=600)
    assert set(forms.answers) == {302}, forms.answers
    assert len(forms.answers) >= 2 * len(processes(machine))
