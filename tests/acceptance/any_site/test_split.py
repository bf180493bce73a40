"""Plain HTTP has a server of its own, and what is named for it stays with the ASGI server.

Each asks for a page that is not there, under a name like no other. gunicorn, which keeps no log of
requests, is known by what it alone refuses, the ASGI server by its log. Websockets are seen to go
to the ASGI server in the checks of websockets.
"""

import uuid

import pytest
from acceptance.processes import wait_until_logged

pytestmark = [pytest.mark.short, pytest.mark.where(HTTP_SERVER="gunicorn")]

# One more than gunicorn takes (limit_request_fields), and how it says so.
MANY = {f"X-{number}": "" for number in range(101)}
TOO_MANY = "limit request headers fields"


def who_answers(machine, browser, path="/", host=None):
    """The group that answers for a page below `path`."""
    page = f"{path.rstrip('/')}/no-such-page-{uuid.uuid4()}"
    headers = {"Host": host} if host else {}
    assert browser.get(page, headers=headers).status_code == 404
    if TOO_MANY in browser.get(page, headers=headers | MANY).text:
        return "wsgi"
    wait_until_logged(machine, "asgi", page)
    return "asgi"


def test_plain_http_is_answered_by_its_own_server(machine, browser):
    assert who_answers(machine, browser) == "wsgi"


@pytest.mark.unless(ASGI_PATHS="")
def test_a_path_that_is_named_stays_with_the_asgi_server(machine, browser, settings):
    for path in settings["ASGI_PATHS"].split(","):
        assert who_answers(machine, browser, path=path) == "asgi"


@pytest.mark.unless(ASGI_HOSTS="")
def test_a_host_that_is_named_stays_with_the_asgi_server(machine, browser, settings):
    for host in settings["ASGI_HOSTS"].split(","):
        assert who_answers(machine, browser, host=host) == "asgi"
