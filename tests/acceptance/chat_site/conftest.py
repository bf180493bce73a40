"""Fixtures of the chat's checks: staff, and a message right before each restart."""

import pytest
from acceptance.chat_site.chat import guest, new_text, texts
from acceptance.stages import before_restart
from machine import RemoteHost

# A running host may have the user from an earlier run.
LOG_IN = """
from django.contrib.auth import get_user_model
from django.test import Client
users = get_user_model().objects
staff, _ = users.get_or_create(username="laurel-proof", defaults={"is_staff": True})
client = Client()
client.force_login(staff)
print(client.cookies.output(attrs=[], header="", sep="; ").strip())
"""

TIDY = """
from chat.models import Message
from django.contrib.auth import get_user_model
Message.objects.filter(text__in={texts!r}).delete()
get_user_model().objects.filter(username="laurel-proof").delete()
"""
_last_messages: dict[str, str] = {}


@pytest.fixture(scope="session", autouse=True)
def tidy(whole_lifecycle):
    """Delete the checks' messages and user from a host that continues to run."""
    yield
    if texts and whole_lifecycle.stage and isinstance(whole_lifecycle.machine, RemoteHost):
        whole_lifecycle.machine.succeed("laurel manage shell", stdin=TIDY.format(texts=texts))


def _say_last_message(machine, stage):
    """Return as soon as the message is echoed: the machine goes down next."""
    text = new_text(f"last message before {stage}")
    with guest(machine.url) as last:
        last.say(text)
        last.hear(text)
        _last_messages[stage] = text


before_restart.append(_say_last_message)


@pytest.fixture
def last_message(stage):
    """The message that was echoed right before the machine last went down."""
    return _last_messages[stage]


@pytest.fixture
def staff_cookie(lifecycle, machine):
    """The cookie of a staff user's session, made in the first stage.

    Django's test client logs in, because hashing a password takes half a minute under emulation.
    """
    if "staff" not in lifecycle.kept:
        output = machine.succeed("laurel manage shell", stdin=LOG_IN)
        lifecycle.kept["staff"] = output.split()[-1]
    return lifecycle.kept["staff"]
