"""What the chat's checks share: staff who can log in, and a last word before each restart."""

import pytest
from acceptance.chat_site.chat import guest, new_text
from acceptance.stages import before_restart
from acceptance.web import Browser

PASSWORD = "a throw-away machine's"
_last_words: dict[str, str] = {}


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
def staff(machine):
    """A browser of somebody who is logged in as staff."""
    machine.execute(
        f'DJANGO_SUPERUSER_PASSWORD="{PASSWORD}" laurel manage createsuperuser --noinput'
        " --username proof --email proof@example.com"
    )
    browser = Browser(machine.url)
    answer = browser.submit(
        "/admin/login/", "/admin/login/", {"username": "proof", "password": PASSWORD, "next": "/"}
    )
    assert answer.status_code == 302, answer.text
    return browser
