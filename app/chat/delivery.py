"""Passing stored messages on to every process's listeners, through the channel layer."""

import asyncio
import logging

from channels.layers import get_channel_layer

from .models import Message

logger = logging.getLogger(__name__)

# Seconds. The message is stored by then and its sender waits for an answer; redis-py alone
# would go on trying for longer.
TIMEOUT = 3


class NotPassedOnError(Exception):
    """The channel layer did not take a message; its history has it nevertheless."""


async def pass_on(message: Message, previous: int | None) -> None:
    """Send a stored message to its room's group.

    `previous` is the id before it in the room, as MessageManager.store returned it.
    Raises NotPassedOnError if the layer fails or takes longer than TIMEOUT.
    """
    event = {"type": "chat.message", "payload": message.payload(), "previous": previous}
    try:
        await asyncio.wait_for(get_channel_layer().group_send(message.room, event), TIMEOUT)
    # Each layer raises its own driver's errors, and this one must not know which is in use.
    except Exception as error:
        logger.warning("message %s is stored but was not passed on: %r", message.id, error)
        raise NotPassedOnError from error
