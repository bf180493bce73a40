"""What the chat's checks share: staff, a quiet guest, and a last word before each restart."""

import pytest
from acceptance.chat_site.chat import QuietGuest, guest, new_text, texts
from acceptance.stages import AS_FOUND, FIRST_BOOT, after_boot, before_restart
from machine import RemoteHost

# A machine that was found as it is may have them from the last time.
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
_quiet_guests: dict[str, QuietGuest] = {}
_last_words: dict[str, str] = {}


def _let_a_quiet_guest_in(machine, stage):
    """Somebody who says nothing while the checks that leave the chat alone go by."""
    if stage in (FIRST_BOOT, AS_FOUND):
        _quiet_guests[stage] = QuietGuest(machine.url)


after_boot.append(_let_a_quiet_guest_in)


@pytest.fixture(scope="session", autouse=True)
def tidy(the_course):
    """Take from a host that goes on what the checks said there, and their staff."""
    yield
    if texts and the_course.stage and isinstance(the_course.machine, RemoteHost):
        the_course.machine.succeed("laurel manage shell", stdin=TIDY.format(texts=texts))


@pytest.fixture
def quiet_guest(stage):
    """A guest who came as soon as the machine served."""
    return _quiet_guests[stage]


def _say_a_last_word(machine, stage):
    """Send a message, and return as soon as its echo is here: the machine goes down next."""
    text = new_text(f"the last word before {stage}")
    with guest(machine.url) as last:
        last.say(text)
        last.hear(text)
        _last_words[stage] = text


before_restart.append(_say_a_last_word)


@pytest.fixture
def last_word(stage):
    """What was said, and echoed, right before the machine went down the last time."""
    return _last_words[stage]


@pytest.fixture
def staff_cookie(course, machine):
    """The cookie of a session that staff has had since the first stage.

    Django's own test client logs them in: a password's hash takes half a minute in emulation, and
    the admin's login form is not what is on trial.
    """
    if "staff" not in course.kept:
        told = machine.succeed("laurel manage shell", stdin=LOG_IN)
        course.kept["staff"] = told.split()[-1]
    return course.kept["staff"]
