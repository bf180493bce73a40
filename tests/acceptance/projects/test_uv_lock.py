"""A project with uv.lock."""

import json


def test_message_reaches_every_process(hear):
    for message in hear("/ws/poll/", json.dumps({"vote": "tea"}), '"tea"'):
        assert json.loads(message)["results"]["tea"] >= 1


def test_packages_of_development_are_not_installed(machine):
    machine.succeed("/srv/site/current/venv/bin/python -c 'import channels_redis'")
    machine.fail("/srv/site/current/venv/bin/python -c 'import pytest'")
