"""What is logged of everyday trouble."""

import logging

from django.test import Client


def test_a_strangers_host_takes_one_line(caplog):
    assert Client(headers={"host": "evil.example"}).get("/").status_code == 400
    [record] = [r for r in caplog.records if r.name == "django.security.DisallowedHost"]
    assert "'evil.example'" in record.getMessage()
    assert "\n" not in logging.Formatter().format(record)


def test_a_lost_channel_layer_takes_one_line_that_names_the_cause(caplog):
    try:
        raise ConnectionError("Error 111 connecting to 127.0.0.1:6379")
    except ConnectionError:
        logging.getLogger("channels_redis.pubsub").exception("Unexpected exception: 100 %")
    [record] = caplog.records
    assert logging.Formatter().format(record) == (
        "Unexpected exception: 100 %: ConnectionError('Error 111 connecting to 127.0.0.1:6379')"
    )


def test_other_faults_keep_their_traceback(caplog):
    try:
        raise KeyError("fault")
    except KeyError:
        logging.getLogger("chat.views").exception("a fault of ours")
    [record] = caplog.records
    assert "Traceback" in logging.Formatter().format(record)
