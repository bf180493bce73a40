"""Acknowledged messages survive a restart and a power cut."""

import pytest
from acceptance.chat_site.chat import guest, new_text


@pytest.mark.short
@pytest.mark.after_restart
def test_last_message_before_restart_is_there(machine, last_message):
    with guest(machine.url) as late:
        late.hear(last_message)


@pytest.mark.once
@pytest.mark.writes
def test_new_guest_gets_history(machine):
    texts = [new_text(f"history {number}") for number in range(3)]
    with guest(machine.url) as speaker:
        for text in texts:
            speaker.say(text)
            speaker.hear(text)
    with guest(machine.url) as late:
        late.hear(texts[-1])
    assert [text for text in late.said if text in texts] == texts


@pytest.mark.once
def test_database_belongs_to_site_and_to_no_release(machine, host):
    database = host.file("/var/lib/site/db.sqlite3")
    assert (database.user, database.group) == ("site", "site")
    machine.fail("find /srv/site -name '*.sqlite3' | grep .")
