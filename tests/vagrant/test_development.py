"""DEVELOPMENT=yes on Vagrant's machine, which must have been provisioned with it."""

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


def test_static_files_are_not_hashed_or_cached(machine: RemoteHost) -> None:
    browser = Browser(machine.url)
    assert f'"{STYLE}"' in browser.get("/").text
    answer = browser.get(STYLE)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


def test_mail_is_printed(machine: RemoteHost) -> None:
    output = machine.succeed("laurel manage sendtestemail somebody@example.org")
    assert "To: somebody@example.org" in output


def test_status_reports_development(machine: RemoteHost) -> None:
    assert "DEVELOPMENT: errors show their source" in machine.succeed("laurel status")


def test_message_reaches_every_process(machine: RemoteHost) -> None:
    text = new_text("development")
    with guests_of_every_process(machine, lambda: guest(machine.url)) as guests:
        guests[0].say(text)
        for member in guests:
            member.hear(text)


def test_development_machine_is_never_sealed(machine: RemoteHost) -> None:
    machine.succeed(
        "useradd --system laurel-build"
    )  # without this user seal.sh refuses any machine
    try:
        ended = machine.execute("bash /laurel/provision/seal.sh")
    finally:
        machine.succeed("userdel laurel-build")
    assert ended.status != 0
    assert "DEVELOPMENT is for machines to develop on" in ended.stderr
