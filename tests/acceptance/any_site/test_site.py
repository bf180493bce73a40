"""What is known of any project: a page, a static file, a websocket, its Procfile's processes."""

import re

import pytest
import websocket
from acceptance import inside
from acceptance.processes import processes
from acceptance.stages import remarks
from acceptance.web import open_websocket

# Of a page of the site's; the key is RFC 6455's own example.
HANDSHAKE = {
    "Host": "localhost",
    "Origin": "http://localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture
def known(course):
    """One of the project's settings, by name; what a project has not is remarked on."""

    def setting(name):
        value = course.settings[name]
        remark = f"not checked: {name}: the project has none, or its code does not tell"
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
    """The status with which a stranger's websocket is refused; 0 if it opens."""
    try:
        open_websocket(url, path).close()
    except websocket.WebSocketBadStatusException as refused:
        return refused.status_code
    return 0


@pytest.mark.short
def test_its_websocket_opens_or_is_for_members_alone(machine, known):
    path = known("WEBSOCKET_PATH")
    if path and (status := refusal(machine.url, path)):
        # Past nginx and from the machine itself, the site lets no stranger in either.
        first, *_ = processes(machine)
        answer = inside.ask(machine, path, socket=first.socket, headers=HANDSHAKE)
        assert status == answer.status == 403
        remarks.append(f"not checked: {path} opens: the site lets in members alone")


@pytest.mark.short
def test_its_other_processes_run(machine, course):
    if course.settings["PROCFILE"]:
        procfile = machine.succeed(f"cat /srv/site/current/app/{course.settings['PROCFILE']}")
        names = set(re.findall(r"^([\w-]+):", procfile, re.MULTILINE)) - {"web", "release"}
        found = processes(machine, "procfile")
        assert names <= {process.name for process in found if process.state == "RUNNING"}, found


def test_settings_that_are_others_here_are_shown_without_their_secrets(machine):
    shown = machine.succeed("laurel settings")
    secret = machine.succeed("sed -n 's/^SECRET_KEY=//p' /run/laurel/environment").strip()
    assert secret
    assert secret not in shown
