"""A project with slow answers, and with Daphne among its apps."""

import json
from concurrent.futures import ThreadPoolExecutor

ROOM = "/ws/room/lobby/"


def test_message_reaches_every_process(hear):
    assert hear(ROOM, json.dumps({"text": "tea is ready"}), "tea is ready")


def test_long_poll_hears_websocket_message(hear, browser):
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(browser.get, "/events/")
        while not waiting.done():
            hear(ROOM, json.dumps({"text": "the cake, too"}), "the cake, too")
        answer = waiting.result()
    assert answer.status_code == 200
    assert answer.json()["text"] == "the cake, too"


def test_a_slow_answer_comes(browser):
    assert browser.get("/slow/").status_code == 200
