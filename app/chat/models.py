"""The stored messages, which a client receives when it joins a room."""

from django.db import models, transaction
from django.utils import timezone

# Messages that each room keeps, all of which are sent to a client that joins.
HISTORY = 50
# Characters. Browsers count one outside the basic plane as two, Python as one.
MAX_MESSAGE = 2000
MAX_NAME = 40
# Django's limit for a user name, which a logged-in user's messages carry.
MAX_USERNAME = 150


class Room(models.TextChoices):
    """The rooms. A room's value is also its group's name in the channel layer."""

    PUBLIC = "public", "Public"
    STAFF = "staff", "Staff"


class MessageManager(models.Manager):
    """Stores messages, and reads a room's history."""

    def store(self, **fields) -> tuple["Message", int | None]:
        """Commit a message, and delete the messages of its room beyond HISTORY.

        Takes the fields of Message. Returns the message and the id of the one before it in the
        room (None for the first), from which a listener can tell that it missed a message.
        The message is on disk when this returns. Raises django.db.Error if it was not stored.
        """
        # durable: refuses an outer transaction, which could still roll the message back.
        with transaction.atomic(durable=True):
            kept = self.filter(room=fields["room"]).order_by("-id").values_list("id", flat=True)
            newest = list(kept[: HISTORY - 1])
            message = self.create(**fields)
            if len(newest) == HISTORY - 1:
                self.filter(room=message.room, id__lt=newest[-1]).delete()
        return message, newest[0] if newest else None

    def recent(self, room: str, after: int = 0) -> list["Message"]:
        """Return the room's last messages with an id above `after`, oldest first."""
        newest_first = self.filter(room=room, id__gt=after).order_by("-id")[:HISTORY]
        return list(reversed(newest_first))


class Message(models.Model):
    """A message in a room."""

    room = models.CharField(max_length=16, choices=Room.choices)
    name = models.CharField(max_length=MAX_USERNAME)
    guest = models.BooleanField(
        default=True, help_text="The name is what a guest typed, not that of a logged-in user."
    )
    text = models.TextField("message", max_length=MAX_MESSAGE)
    sent = models.DateTimeField(default=timezone.now)
    remote_addr = models.GenericIPAddressField(
        "client address", null=True, blank=True, help_text="As the proxy in front reported it."
    )

    objects = MessageManager()

    class Meta:
        """Newest first, with an index for reading and pruning a room."""

        ordering = ("-id",)
        indexes = (models.Index(fields=("room", "id"), name="chat_room_history"),)

    def __str__(self) -> str:
        return f"{self.name}: {self.text[:60]}"

    def payload(self) -> dict:
        """Return the message in the form of the protocol (see chat.consumers)."""
        return {
            "type": "message",
            "id": self.id,
            "name": self.name,
            "guest": self.guest,
            "message": self.text,
            "sent": self.sent.isoformat(),
        }
