"""The chat's pages, forms and static files, through nginx."""

import re

import pytest
from acceptance.chat_site.chat import new_text
from acceptance.processes import descendants, every_process


def statics(browser):
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', browser.get("/").text)


@pytest.mark.short
def test_chat_page_is_served(browser):
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "<form" in answer.text


@pytest.mark.short
def test_admin_asks_for_a_login(browser):
    assert "/admin/login/" in browser.get("/admin/").headers["Location"]


@pytest.mark.short
def test_healthz_answers(browser):
    assert browser.get("/healthz").status_code == 200


@pytest.mark.short
def test_readyz_finds_database_and_layer(browser):
    answer = browser.get("/readyz")
    assert (answer.status_code, answer.json()["database"], answer.json()["channel_layer"]) == (
        200,
        "ok",
        "ok",
    )


@pytest.mark.short
def test_static_files_are_immutable(browser):
    assert statics(browser)
    for path in statics(browser):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"], path


@pytest.mark.once
@pytest.mark.disruptive
def test_static_files_come_from_nginx_alone(machine, browser):
    paths = statics(browser)
    pids = " ".join(
        str(pid) for process in every_process(machine) for pid in descendants(machine, process.pid)
    )
    machine.succeed(f"kill -STOP {pids}")
    try:
        assert {browser.get(path).status_code for path in paths} == {200}
        assert browser.get("/static/no-such-file.css").status_code == 404
    finally:
        machine.succeed(f"kill -CONT {pids}")
    assert browser.get("/").status_code == 200


@pytest.mark.short
@pytest.mark.writes
def test_form_is_accepted_on_forwarded_port(browser):
    text = new_text("posted")
    # Django compares the Origin, including the port, with the Host that nginx passes on.
    assert browser.submit("/", "/say/", {"message": text}).status_code == 302
    assert text in browser.get("/").text


@pytest.mark.short
def test_form_without_its_token_is_refused(browser):
    assert browser.post("/say/", data={"message": "x"}).status_code == 403
