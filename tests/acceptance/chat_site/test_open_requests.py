"""`laurel reload` lets open requests end, also those that nginx may not repeat."""

import threading
import time
from contextlib import contextmanager
from itertools import count

import pytest
from acceptance.chat_site.chat import new_text
from acceptance.processes import http_group, processes
from acceptance.stages import during_reload
from acceptance.web import Browser

OPEN_SECONDS = 2  # until the forms of a round wait for the database
LOCKED_SECONDS = 14  # at most, after that: the site waits 20 for a lock

# Until another process that takes forms gets no more requests, and some of what a drain may take
# (10 s) is over. argv: what nginx's lines of those processes have in common.
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


answers: list[object] = []


class Forms:
    """Forms that are being taken: one of each visitor in a round, all open while the round lasts.

    `drained` is whether a process was drained in a round.
    """

    def __init__(self, machine):
        self.drained = False
        self._machine = machine
        self._text = new_text("a slow form")
        takers = processes(machine, http_group(machine))
        self._sockets = takers[0].socket.removesuffix("0.sock")
        # The tokens come first: while the database is held, no page is to be had.
        browsers = [Browser(machine.url) for _ in range(2 * len(takers))]
        self._visitors = [(browser, browser.token("/")) for browser in browsers]

    def round(self, number, opened):
        """Say that they are `opened`, and wait for the answers."""
        machine, unit = self._machine, f"hold-{self._text.split()[-1]}-{number}"
        machine.succeed(
            f"systemd-run --quiet --collect --unit={unit} --uid=site"
            f" /usr/bin/python3 -c '{HOLD_THE_DATABASE}' {self._sockets}"
        )
        told = f"journalctl -u {unit} --no-pager"
        machine.wait_until_succeeds(f"{told} | grep -q held", timeout=60)
        before = len(answers)
        posts = [threading.Thread(target=self._post, args=visitor) for visitor in self._visitors]
        for thread in posts:
            thread.start()
        time.sleep(1)
        all_are_open = len(answers) == before
        opened.set()
        for thread in posts:
            thread.join()
        drained = machine.execute(f"{told} | grep 'drained meanwhile'").status == 0
        self.drained = all_are_open and drained

    def _post(self, browser, token):
        # A connection each: nobody repeats a form whose kept connection nginx was closing.
        closing = {"Connection": "close"}
        try:
            answer = browser.submit("/", "/say/", {"message": self._text}, token, headers=closing)
            answers.append(answer.status_code)
        except OSError as error:
            answers.append(error)


@contextmanager
def slow_forms(machine):
    """Forms that are being taken while the context lasts; `answers` are what became of them.

    Round after round, for the processes that take them may not be the first that are renewed.
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
        yield
    finally:
        over.set()
        thread.join()
    assert forms.drained, "no process was drained while forms were open"


# A reload takes a minute under emulation: the check of what it does to visitors shares its own.
during_reload.append(slow_forms)


@pytest.mark.short
@pytest.mark.once
@pytest.mark.disruptive
@pytest.mark.unless(PROCESSES="1")
def test_no_open_request_is_cut_off_by_a_reload(machine):
    if not answers:
        with slow_forms(machine):
            machine.succeed("laurel reload", timeout=600)
    assert set(answers) == {302}, answers
    assert len(answers) >= 2 * len(processes(machine))
