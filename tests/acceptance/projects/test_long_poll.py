"""A project with answers that take their time, and Daphne among its apps."""

import json
from concurrent.futures import ThreadPoolExecutor

ROOM = "/ws/room/lobby/"


def test_every_process_hears(hear):
    assert hear(ROOM, json.dumps({"text": "tea is ready"}), "tea is ready")


def test_who_waits_by_http_hears_what_is_said_by_websocket(hear, browser):
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(browser.get, "/events/")
        while not waiting.done():
            hear(ROOM, json.dumps({"text": "the cake, too"}), "the cake, too")
        answer = waiting.result()
    assert answer.status_code == 200
    assert answer.json()["text"] == "the cake, too"


def test_a_slow_answer_comes(browser):
    assert browser.get("/slow/").status_code == 200
