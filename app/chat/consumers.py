"""The chat over websockets.

Protocol, one JSON object in each text frame
--------------------------------------------

/chat/ is open to everyone, /chat/admin/ to staff. The handshake answers 403 to pages of other
sites.

The client sends a message. `name` is the name that a guest chose; a logged-in user's messages
carry the user name instead::

    {"message": "Hello", "name": "Ada"}

The server sends the room's last 50 messages to a client that joins, oldest first, and then each
new message, also to its sender. A message is on disk before any client receives it::

    {"type": "message", "id": 7, "name": "Ada", "guest": true, "message": "Hello",
     "sent": "2026-01-31T12:00:00.123456+00:00"}

A client that reconnects receives some messages again, with the same ids. Ids increase, but two
messages that two processes store at the same time may arrive in the other order.

Errors have a sentence for the user and a code for programs::

    {"type": "error", "code": "invalid", "message": "Write something first."}

    malformed      the frame is not a JSON object of text, or is far too long; nothing was stored
    invalid        the message or the name is empty, too long or unreadable; nothing was stored
    not_stored     the database did not store the message; try again
    not_passed_on  the message is stored; others see it with the next message or after a reload
    unavailable    the channel layer does not answer; the server closes, and the client reconnects

The server closes with NOT_STAFF (4403) if the client may not enter the room, or no longer, and
with OUT_OF_ORDER (4503) after `unavailable`.
"""

import asyncio
import json
import logging

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model
from django.db import Error as DatabaseError

from . import delivery
from .forms import MessageForm
from .models import HISTORY, MAX_MESSAGE, MAX_NAME, Message, Room
from .senders import client_address, display_name

logger = logging.getLogger(__name__)

# Close codes from the range for applications, 4000 to 4999 (RFC 6455, section 7.4.2), with the
# numbers of HTTP's 403 and 503. The registered 1013 "try again later" would suit the second, but
# Daphne's websocket library refuses to send it.
NOT_STAFF = 4403
OUT_OF_ORDER = 4503

# Characters of JSON. One character outside the basic plane may take two escapes of six; the rest
# is for the keys.
MAX_FRAME = 12 * (MAX_MESSAGE + MAX_NAME) + 1000


class MalformedFrameError(ValueError):
    """A frame breaks the protocol; the exception's text is for the sender."""


class ChatConsumer(AsyncJsonWebsocketConsumer):
    """One client in one room, which the subclass names."""

    room: Room

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._connecting = False
        self._joined = False
        # Ids that this client has received, to skip repeated messages and to notice missed ones.
        # A dict, because it keeps the order.
        self._received: dict[int, None] = {}

    async def may_enter(self) -> bool:
        """Return whether the room is open to this client now."""
        return True

    # Joining and leaving

    async def __call__(self, scope, receive, send):
        """Serve the connection; without a channel layer, ask the client to come back."""
        try:
            await super().__call__(scope, receive, send)
        except Exception as error:
            if self._connecting:
                raise
            # Before the first event, only the layer's new_channel() can have failed.
            logger.warning("a client was sent away: the channel layer answered %r", error)
            self.base_send = send
            await receive()
            await self.accept()
            await self._send_away()

    async def websocket_connect(self, message):
        """Note that the channel layer gave this client a channel, and connect."""
        self._connecting = True
        await super().websocket_connect(message)

    async def connect(self):
        """Accept everyone, so that a browser sees why it is refused; then check and join."""
        await self.accept()
        if not await self.may_enter():
            await self.close(NOT_STAFF)
            return
        try:
            # Before the history is read, so that no message is missed in between.
            await asyncio.wait_for(
                self.channel_layer.group_add(self.room, self.channel_name), delivery.TIMEOUT
            )
        # Each kind of layer raises its own driver's exceptions.
        except Exception as error:
            logger.warning("a client was sent away: the channel layer answered %r", error)
            await self._send_away()
            return
        self._joined = True
        await self._send_history()

    async def disconnect(self, _code):
        """Leave the group, if the client had joined it."""
        if not self._joined:
            return
        self._joined = False
        try:
            await asyncio.wait_for(
                self.channel_layer.group_discard(self.room, self.channel_name), delivery.TIMEOUT
            )
        # The client has gone, even if the layer does not know.
        except Exception as error:
            logger.warning("the channel layer did not forget a client: %r", error)

    async def _send_away(self):
        await self._send_error("unavailable", "The chat is out of order for a moment.")
        await self.close(OUT_OF_ORDER)

    async def _expel(self):
        await self.disconnect(NOT_STAFF)
        await self.close(NOT_STAFF)

    # From the client

    async def receive(self, text_data=None, **_binary):
        """Store the client's message and pass it on, or answer with an error."""
        # A refused client may send frames before it sees that the connection is closed.
        if not self._joined:
            return
        try:
            said = self._parse(text_data)
        except MalformedFrameError as error:
            await self._send_error("malformed", str(error))
            return
        form = MessageForm(said)
        if not form.is_valid():
            await self._send_error("invalid", form.problem())
            return
        if not await self.may_enter():
            await self._expel()
            return
        await self._say(form.cleaned_data["name"], form.cleaned_data["message"])

    @staticmethod
    def _parse(frame: str | None) -> dict[str, str]:
        """Return the `message` and `name` of a frame; None means a binary one."""
        if frame is None:
            raise MalformedFrameError("Send text, not binary data.")
        if len(frame) > MAX_FRAME:
            raise MalformedFrameError(f"A message has at most {MAX_MESSAGE} characters.")
        try:
            content = json.loads(frame)
        # Python refuses numbers of thousands of digits with ValueError, and deep nesting with
        # RecursionError.
        except (ValueError, RecursionError):
            raise MalformedFrameError("Send JSON.") from None
        if not isinstance(content, dict):
            raise MalformedFrameError('Send a JSON object such as {"message": "Hello"}.')
        said = {"message": content.get("message"), "name": content.get("name")}
        for key, value in said.items():
            if value is None:
                said[key] = ""
            elif not isinstance(value, str):
                raise MalformedFrameError(f'"{key}" must be text.')
            # Half of a surrogate pair, which JSON can express and UTF-8 can't.
            elif any("\ud800" <= character <= "\udfff" for character in value):
                raise MalformedFrameError(f'"{key}" holds half a character.')
        return said

    async def _say(self, wished_name: str, text: str):
        client = self.scope.get("client") or [None]
        try:
            message, previous = await database_sync_to_async(Message.objects.store)(
                room=self.room,
                text=text,
                remote_addr=client_address(client[0]),
                **display_name(self.scope["user"], wished_name),
            )
        except DatabaseError:
            logger.exception("a message was not stored")
            await self._send_error("not_stored", "Your message was not stored. Try again.")
            return
        try:
            await delivery.pass_on(message, previous)
        except delivery.NotPassedOnError:
            # The sender's own copy would have come through the layer, too.
            await self._send_once(message.payload())
            await self._send_error(
                "not_passed_on",
                "Your message is stored, but the others may see it only with the next one.",
            )

    # From the channel layer

    async def chat_message(self, event):
        """Send a new message, after any that the channel layer lost."""
        if not self._joined:
            return
        if not await self.may_enter():
            await self._expel()
            return
        previous = event["previous"]
        if previous is not None and previous not in self._received:
            # The layer delivers at most once: messages are lost while Redis restarts.
            await self._send_history(after=max(self._received, default=0))
        await self._send_once(event["payload"])

    # To the client

    async def _send_history(self, after: int = 0):
        for message in await database_sync_to_async(Message.objects.recent)(self.room, after):
            await self._send_once(message.payload())

    async def _send_once(self, payload: dict):
        if payload["id"] in self._received:
            return
        self._received[payload["id"]] = None
        # Twice the history: older ids are never sent again, and never the previous one.
        if len(self._received) > 2 * HISTORY:
            del self._received[next(iter(self._received))]
        await self.send_json(payload)

    async def _send_error(self, code: str, message: str):
        await self.send_json({"type": "error", "code": code, "message": message})


class PublicChatConsumer(ChatConsumer):
    """The public room, for everyone."""

    room = Room.PUBLIC


class AdminChatConsumer(ChatConsumer):
    """The staff room. A user who is no longer staff leaves it with the next message."""

    room = Room.STAFF

    async def may_enter(self) -> bool:
        """Return whether the user is active staff in the database now."""
        user = self.scope["user"]
        if not user.is_authenticated:
            return False
        staff = get_user_model().objects.filter(pk=user.pk, is_active=True, is_staff=True)
        return await database_sync_to_async(staff.exists)()
