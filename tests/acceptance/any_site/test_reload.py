"""`laurel reload` under load replaces every process, and no GET fails."""

import re
import threading
from collections import Counter
from itertools import cycle

import pytest
import requests
from acceptance.processes import every_process
from acceptance.web import Browser

VISITORS = 4
# Seconds between two requests. Without a pause four visitors take both processors of an emulated
# machine, and the process that starts gets none.
READING = 0.2

pytestmark = [pytest.mark.once, pytest.mark.disruptive, pytest.mark.short]


class Load:
    """Visitors that request the paths in turn while the context lasts.

    `answers` counts statuses, and errors by name. `repeated` counts requests on a kept connection
    that nginx closed at that moment, as it does when it reloads. As browsers do and RFC 9112,
    9.3.1 allows, a visitor repeats such a GET once on a new connection.
    """

    def __init__(self, url, *paths):
        self.answers = Counter()
        self.repeated = 0
        self._url, self._paths = url, paths
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(VISITORS)]

    def _visit(self):
        browser, kept = Browser(self._url), False
        paths = cycle(self._paths)
        path = next(paths)
        while not self._over.wait(READING):
            try:
                self.answers[browser.get(path).status_code] += 1
                kept, path = True, next(paths)
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


def named(process):
    """A pattern of its name in `laurel`'s messages: asgi:asgi0, asgi@0.service ..."""
    return rf"\b{process.group}\D*{process.number}\S*"


@pytest.mark.unless(PROCESSES="1")
def test_reload_fails_no_request(machine, paths, record_property):
    before = every_process(machine)
    python = "/srv/site/current/venv/bin/python"
    with Load(machine.url, *paths) as load:
        # All servers need it to start.
        machine.succeed(f"mv {python} {python}.away")
        try:
            stopped = machine.execute("laurel reload", timeout=600)
        finally:
            machine.succeed(f"mv {python}.away {python}")
        meanwhile = every_process(machine)
        status = machine.execute("laurel status").stderr
        machine.succeed("laurel reload", timeout=600)
    after = every_process(machine)
    record_property("answers under reload", dict(load.answers))
    record_property("repeated on a new connection", load.repeated)
    assert set(load.answers) == set(paths.values()), load.answers
    assert load.answers.total() > 50
    assert load.repeated <= load.answers.total() / 100
    # The first reload stopped at the process that could not start.
    assert stopped.status == 1
    failed = [one for one in before if re.search(f"{named(one)} does not answer", stopped.stderr)]
    assert len(failed) == 1, stopped
    assert re.search(f"{named(failed[0])} gets no requests", status), status
    pids = {one.name: one.pid for one in meanwhile}
    assert [one for one in before if pids.get(one.name) != one.pid] == failed
    # The second replaced all processes.
    assert {one.pid for one in before} & {one.pid for one in after} == set()
    machine.succeed("laurel status")


@pytest.mark.where(PROCESSES="1")
def test_reload_of_one_process_gives_503_at_most(
    machine, browser, health_path, healthy_status, record_property
):
    before = every_process(machine)
    with Load(machine.url, health_path) as load:
        machine.succeed("laurel reload", timeout=600)
    record_property("answers under reload", dict(load.answers))
    assert set(load.answers) <= {healthy_status, 503}, load.answers
    assert load.answers[healthy_status]
    assert browser.get(health_path).status_code == healthy_status
    after = every_process(machine)
    assert {one.pid for one in before} & {one.pid for one in after} == set()
    machine.succeed("laurel status")
