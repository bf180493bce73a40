"""A project with Pipfile.lock, and a page for health checks."""

import json


def test_message_reaches_every_process(hear, lifecycle):
    path = lifecycle.settings["WEBSOCKET_PATH"]
    assert hear(path, json.dumps({"subject": "no paper"}), "no paper")


def test_its_own_health_page_is_found(lifecycle, browser):
    assert lifecycle.settings["HEALTH_PATH"] == "/health/"
    assert browser.get("/health/").status_code == 200
