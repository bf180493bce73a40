"""The channel layer in use is the configured one, by what Redis holds while a guest is in."""

import pytest
from acceptance.chat_site.chat import guest, new_text

OURS = "pubsub"  # the project's own layer
# How Redis shows a group of each layer: its members, or a subscription.
TRACES = {
    "core": "redis-cli --raw keys '*:group:*'",
    "pubsub": "redis-cli --raw pubsub channels '*__group__*'",
}


@pytest.mark.short
@pytest.mark.writes
def test_groups_are_in_the_configured_layer(machine, settings):
    kind = OURS if settings["CHANNEL_LAYER"] == "project" else settings["CHANNEL_LAYER"]
    text = new_text("in a group")
    with guest(machine.url) as member:
        member.say(text)
        member.hear(text)
        found = {name for name, look in TRACES.items() if machine.execute(look).stdout.strip()}
    assert found == {kind} & TRACES.keys()
