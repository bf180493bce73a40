"""Delivery of stored messages to the clients of every process, through the channel layer."""

import asyncio
import logging

from channels.layers import get_channel_layer

from .models import Message

logger = logging.getLogger(__name__)

# Seconds. The message is already stored, and its sender is waiting for an answer. redis-py alone
# would keep trying for longer.
TIMEOUT = 3


class NotPassedOnError(Exception):
    """The channel layer did not accept a message, which is stored all the same."""


async def pass_on(message: Message, previous: int | None) -> None:
    """Send a stored message to its room's group.

    `previous` is the id of the message before it, as MessageManager.store returned it.
    Raises NotPassedOnError if the layer fails or takes longer than TIMEOUT.
    """
    event = {"type": "chat.message", "payload": message.payload(), "previous": previous}
    try:
        await asyncio.wait_for(get_channel_layer().group_send(message.room, event), TIMEOUT)
    # Each kind of layer raises its own driver's exceptions.
    except Exception as error:
        logger.warning("message %s is stored but was not passed on: %r", message.id, error)
        raise NotPassedOnError from error
