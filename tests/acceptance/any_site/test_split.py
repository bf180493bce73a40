"""gunicorn serves plain HTTP, except for ASGI_PATHS and ASGI_HOSTS.

Each check requests a missing page with a unique name. The ASGI server logs it. gunicorn does not,
but refuses too many headers. test_websockets.py covers websockets.
"""

import uuid

import pytest
from acceptance.processes import wait_until_logged

pytestmark = [pytest.mark.short, pytest.mark.where(HTTP_SERVER="gunicorn")]

# One more than gunicorn accepts (limit_request_fields), and its message.
MANY = {f"X-{number}": "" for number in range(101)}
TOO_MANY = "limit request headers fields"


def who_answers(machine, browser, path="/", host=None):
    """The group that answers a page below `path`."""
    page = f"{path.rstrip('/')}/no-such-page-{uuid.uuid4()}"
    headers = {"Host": host} if host else {}
    assert browser.get(page, headers=headers).status_code == 404
    if TOO_MANY in browser.get(page, headers=headers | MANY).text:
        return "wsgi"
    wait_until_logged(machine, "asgi", page)
    return "asgi"


def test_http_server_answers_plain_http(machine, browser):
    assert who_answers(machine, browser) == "wsgi"


@pytest.mark.unless(ASGI_PATHS="")
def test_asgi_paths_stay_with_the_asgi_server(machine, browser, settings):
    for path in settings["ASGI_PATHS"].split(","):
        assert who_answers(machine, browser, path=path) == "asgi"


@pytest.mark.unless(ASGI_HOSTS="")
def test_asgi_hosts_stay_with_the_asgi_server(machine, browser, settings):
    for host in settings["ASGI_HOSTS"].split(","):
        assert who_answers(machine, browser, host=host) == "asgi"
