"""What DEVELOPMENT=yes does on a machine, and that such a machine is never sealed.

Needs Vagrant's machine, provisioned with it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.chat_site.chat import guest, new_text
from acceptance.processes import guests_of_every_process
from acceptance.web import Browser
from machine import RemoteHost
from machine.vagrant import vagrant_host

TOP = Path(__file__).resolve().parents[2]
STYLE = "/static/chat/chat.css"


@pytest.fixture(scope="module")
def machine() -> Iterator[RemoteHost]:
    with vagrant_host(TOP / "vagrant") as machine:
        yield machine


def test_an_error_shows_its_source(machine: RemoteHost) -> None:
    answer = Browser(machine.url).get("/no-such-page")
    assert answer.status_code == 404
    assert "DEBUG = True" in answer.text


def test_static_files_keep_their_names_and_are_asked_for_again(machine: RemoteHost) -> None:
    browser = Browser(machine.url)
    assert f'"{STYLE}"' in browser.get("/").text
    answer = browser.get(STYLE)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


def test_mail_is_printed(machine: RemoteHost) -> None:
    told = machine.succeed("laurel manage sendtestemail somebody@example.org")
    assert "To: somebody@example.org" in told


def test_status_says_it(machine: RemoteHost) -> None:
    assert "DEVELOPMENT: errors show their source" in machine.succeed("laurel status")


def test_a_message_reaches_the_guests_of_every_process(machine: RemoteHost) -> None:
    text = new_text("development")
    with guests_of_every_process(machine, lambda: guest(machine.url)) as guests:
        guests[0].say(text)
        for member in guests:
            member.hear(text)


def test_it_is_never_sealed(machine: RemoteHost) -> None:
    machine.succeed("useradd --system laurel-build")  # seal.sh refuses any machine without
    try:
        told = machine.execute("bash /laurel/provision/seal.sh")
    finally:
        machine.succeed("userdel laurel-build")
    assert told.status != 0
    assert "DEVELOPMENT is for machines to develop on" in told.stderr
