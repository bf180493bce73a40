"""A project with Pipfile.lock, and a page for health checks."""

import json


def test_every_process_hears(hear, course):
    path = course.settings["WEBSOCKET_PATH"]
    assert hear(path, json.dumps({"subject": "no paper"}), "no paper")


def test_its_own_health_page_is_found(course, browser):
    assert course.settings["HEALTH_PATH"] == "/health/"
    assert browser.get("/health/").status_code == 200
