"""`laurel reload`: every process is renewed under load, and no GET fails."""

import threading
from collections import Counter
from contextlib import ExitStack

import pytest
import requests
from acceptance.daphnes import daphnes
from acceptance.stages import during_reload
from acceptance.web import Browser

VISITORS = 4
# Seconds that a visitor reads: without it four take both processors of an emulated machine, and
# the process that starts gets none.
READING = 0.2

pytestmark = pytest.mark.disruptive


class Load:
    """Visitors that ask for one path again and again, while the context lasts.

    `repeated` counts the requests that met a kept connection as nginx closed it, which it does
    when it takes up a configuration. As browsers do, and RFC 9112, 9.3.1 allows, a visitor sends
    such a GET again, once, on a new connection.
    """

    def __init__(self, url, path):
        self.answers = Counter()
        self.repeated = 0
        self._url, self._path = url, path
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(VISITORS)]

    def _visit(self):
        browser, kept = Browser(self._url), False
        while not self._over.wait(READING):
            try:
                self.answers[browser.get(self._path).status_code] += 1
                kept = True
            except requests.ConnectionError as error:
                if kept and "Connection aborted" in str(error):
                    self.repeated += 1
                else:
                    self.answers[type(error).__name__] += 1
                browser, kept = Browser(self._url), False
            except OSError as error:
                self.answers[type(error).__name__] += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.once
def test_a_reload_fails_no_request_even_if_a_process_can_not_start(
    machine, health_path, well, record_property
):
    before = daphnes(machine)
    program = "/srv/site/current/venv/bin/daphne"
    with Load(machine.url, health_path) as load:
        machine.succeed(f"mv {program} {program}.away")
        try:
            stopped = machine.execute("laurel reload", timeout=600)
        finally:
            machine.succeed(f"mv {program}.away {program}")
        meanwhile = daphnes(machine)
        told = machine.execute("laurel status").stderr
        with ExitStack() as others:
            for context in during_reload:
                others.enter_context(context(machine))
            machine.succeed("laurel reload", timeout=600)
    after = daphnes(machine)
    record_property("answers under reload", dict(load.answers))
    record_property("repeated on a new connection", load.repeated)
    assert set(load.answers) == {well}, load.answers
    assert load.answers[well] > 50
    assert load.repeated <= load.answers[well] / 100
    # The first reload stopped at the process that could not start, and touched no other.
    assert stopped.status == 1
    assert "asgi:asgi0 does not answer" in stopped.stderr
    assert "asgi:asgi0 gets no requests" in told
    assert [daphne.pid for daphne in meanwhile[1:]] == [daphne.pid for daphne in before[1:]]
    # The second renewed every one.
    assert {daphne.pid for daphne in before} & {daphne.pid for daphne in after} == set()
    machine.succeed("laurel status")
