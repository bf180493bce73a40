"""What inspection found in the project: a page, a static file, a websocket, a Procfile."""

import re

import pytest
import websocket
from acceptance import inside
from acceptance.processes import processes
from acceptance.stages import remarks
from acceptance.web import open_websocket

# From a page of the site; the key is the example of RFC 6455.
HANDSHAKE = {
    "Host": "localhost",
    "Origin": "http://localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture
def known(lifecycle):
    """Returns a setting of the project by name; a missing one goes to the remarks."""

    def setting(name):
        value = lifecycle.settings[name]
        remark = f"not checked: {name}: the project has none, or inspection found none"
        if not value and remark not in remarks:
            remarks.append(remark)
        return value

    return setting


@pytest.mark.short
def test_its_page_answers(browser, known):
    if page := known("PAGE_PATH"):
        assert browser.get(page).status_code < 400


def test_an_error_shows_no_source(browser):
    answer = browser.get("/no-such-page-of-the-proof")
    assert "DEBUG" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.short
def test_its_static_file_is_served_by_nginx(machine, browser, known):
    if file := known("STATIC_FILE"):
        answer = browser.get(file)
        assert answer.status_code == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        size = machine.succeed(f"stat -c %s /srv/site/current/public{file}")
        assert len(answer.content) == int(size)


def refusal(url, path):
    """The status that refuses a stranger's websocket; 0 if it opens."""
    try:
        open_websocket(url, path).close()
    except websocket.WebSocketBadStatusException as refused:
        return refused.status_code
    return 0


@pytest.mark.short
def test_websocket_opens_or_refuses_strangers(machine, known):
    path = known("WEBSOCKET_PATH")
    if path and (status := refusal(machine.url, path)):
        # The site itself refuses it, not nginx.
        first, *_ = processes(machine)
        answer = inside.ask(machine, path, socket=first.socket, headers=HANDSHAKE)
        assert status == answer.status == 403
        remarks.append(f"not checked: {path} opens: the site admits members only")


@pytest.mark.short
def test_its_other_processes_run(machine, lifecycle):
    if lifecycle.settings["PROCFILE"]:
        procfile = machine.succeed(f"cat /srv/site/current/app/{lifecycle.settings['PROCFILE']}")
        names = set(re.findall(r"^([\w-]+):", procfile, re.MULTILINE)) - {"web", "release"}
        found = processes(machine, "procfile")
        assert names <= {process.name for process in found if process.state == "RUNNING"}, found


def test_settings_command_hides_secrets(machine):
    shown = machine.succeed("laurel settings")
    secret = machine.succeed("sed -n 's/^SECRET_KEY=//p' /run/laurel/environment").strip()
    assert secret
    assert secret not in shown
