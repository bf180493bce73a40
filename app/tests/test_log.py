"""Log lines of everyday errors."""

import logging

from django.test import Client


def test_unknown_host_is_logged_on_one_line(caplog):
    assert Client(headers={"host": "evil.example"}).get("/").status_code == 400
    [record] = [r for r in caplog.records if r.name == "django.security.DisallowedHost"]
    assert "'evil.example'" in record.getMessage()
    assert "\n" not in logging.Formatter().format(record)


def test_lost_redis_is_logged_on_one_line_with_its_cause(caplog):
    try:
        raise ConnectionError("Error 111 connecting to 127.0.0.1:6379")
    except ConnectionError:
        logging.getLogger("channels_redis.pubsub").exception("Unexpected exception: 100 %")
    [record] = caplog.records
    assert logging.Formatter().format(record) == (
        "Unexpected exception: 100 %: ConnectionError('Error 111 connecting to 127.0.0.1:6379')"
    )


def test_other_exceptions_keep_their_traceback(caplog):
    try:
        raise KeyError("fault")
    except KeyError:
        logging.getLogger("chat.views").exception("an error")
    [record] = caplog.records
    assert "Traceback" in logging.Formatter().format(record)
