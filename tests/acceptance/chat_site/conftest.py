"""What the chat's checks share: staff, a quiet guest, and a last word before each restart."""

import pytest
from acceptance.chat_site.chat import QuietGuest, guest, new_text
from acceptance.stages import AS_FOUND, FIRST_BOOT, after_boot, before_restart
from acceptance.web import Browser

PASSWORD = "a throw-away machine's"
_quiet_guests: dict[str, QuietGuest] = {}
_last_words: dict[str, str] = {}


def _let_a_quiet_guest_in(machine, stage):
    """Somebody who says nothing while the checks that leave the chat alone go by."""
    if stage in (FIRST_BOOT, AS_FOUND):
        _quiet_guests[stage] = QuietGuest(machine.url)


after_boot.append(_let_a_quiet_guest_in)


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
    """The cookie of somebody who logged in as staff at the first stage, and stays it."""
    if "staff" not in course.kept:
        # A machine that was found as it is may have him from the last time.
        machine.execute(
            f'DJANGO_SUPERUSER_PASSWORD="{PASSWORD}" laurel manage createsuperuser --noinput'
            " --username proof --email proof@example.com"
        )
        browser = Browser(machine.url)
        who = {"username": "proof", "password": PASSWORD, "next": "/"}
        answer = browser.submit("/admin/login/", "/admin/login/", who)
        assert answer.status_code == 302, answer.text
        course.kept["staff"] = browser.cookie_header()
    return course.kept["staff"]
