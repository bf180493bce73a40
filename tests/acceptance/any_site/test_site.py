"""What is known of any project: a page, a static file, a websocket, its Procfile's processes."""

import re

import pytest
from acceptance.stages import remarks
from acceptance.web import open_websocket


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


def test_its_page_answers(browser, known):
    if page := known("PAGE_PATH"):
        assert browser.get(page).status_code < 400


def test_an_error_shows_no_source(browser):
    answer = browser.get("/no-such-page-of-the-proof")
    assert "DEBUG" not in answer.text
    assert "Traceback" not in answer.text


def test_its_static_file_is_served_by_nginx(machine, browser, known):
    if file := known("STATIC_FILE"):
        answer = browser.get(file)
        assert answer.status_code == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        size = machine.succeed(f"stat -c %s /srv/site/current/public{file}")
        assert len(answer.content) == int(size)


def test_its_websocket_opens(machine, known):
    if path := known("WEBSOCKET_PATH"):
        open_websocket(machine.url, path).close()


def test_its_other_processes_run(machine, course):
    if course.settings["PROCFILE"]:
        procfile = machine.succeed(f"cat /srv/site/current/app/{course.settings['PROCFILE']}")
        names = set(re.findall(r"^([\w-]+):", procfile, re.MULTILINE)) - {"web", "release"}
        shown = machine.execute("supervisorctl status").stdout
        running = set(re.findall(r"^([\w-]+) +RUNNING", shown, re.MULTILINE))
        assert names <= running, shown


def test_settings_that_are_others_here_are_shown_without_their_secrets(machine):
    shown = machine.succeed("laurel settings")
    secret = machine.succeed("sed -n 's/^SECRET_KEY=//p' /run/laurel/environment").strip()
    assert secret
    assert secret not in shown
