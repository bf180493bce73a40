"""`laurel reload`: every process is renewed under load, and no GET fails."""

import threading
from collections import Counter

import pytest
import requests
from acceptance.daphnes import daphnes
from acceptance.web import Browser

VISITORS = 4

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
        while not self._over.is_set():
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
def test_no_request_fails_while_every_process_is_renewed(machine, health_path, record_property):
    before = daphnes(machine)
    with Load(machine.url, health_path) as load:
        machine.succeed("laurel reload", timeout=600)
    after = daphnes(machine)
    assert {daphne.pid for daphne in before} & {daphne.pid for daphne in after} == set()
    record_property("answers under reload", dict(load.answers))
    record_property("repeated on a new connection", load.repeated)
    assert set(load.answers) == {200}, load.answers
    assert load.answers[200] > 50
    assert load.repeated <= load.answers[200] / 100


@pytest.mark.once
def test_a_process_that_can_not_start_stops_the_reload_and_the_rest_serves(
    machine, browser, health_path
):
    others = [daphne.pid for daphne in daphnes(machine)[1:]]
    machine.succeed("mv /srv/site/current/venv/bin/daphne /srv/site/current/venv/bin/daphne.away")
    try:
        result = machine.execute("laurel reload", timeout=600)
    finally:
        machine.succeed(
            "mv /srv/site/current/venv/bin/daphne.away /srv/site/current/venv/bin/daphne"
        )
    assert result.status == 1
    assert "asgi:asgi0 does not answer" in result.stderr
    assert [daphne.pid for daphne in daphnes(machine)[1:]] == others
    assert {browser.get(health_path).status_code for _ in range(10)} == {200}
    assert "asgi:asgi0 gets no requests" in machine.execute("laurel status").stderr
    machine.succeed("laurel reload", timeout=600)
    machine.succeed("laurel status")
