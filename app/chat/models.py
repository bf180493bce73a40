"""What was said, kept so that whoever joins can read the last of it."""

from django.db import models, transaction
from django.utils import timezone

# Messages kept of each room, which are also all that is replayed to who joins.
HISTORY = 50
# Characters, as browsers and Python both count most of them.
MAX_MESSAGE = 2000
MAX_NAME = 40
# Django's own limit for a user name, which may stand in place of a guest's.
MAX_USERNAME = 150


class Room(models.TextChoices):
    """The rooms. Each is also the name of its group in the channel layer."""

    PUBLIC = "public", "Public"
    STAFF = "staff", "Staff"


class MessageManager(models.Manager):
    """Storing and reading of a room's history."""

    def store(self, **fields) -> tuple["Message", int | None]:
        """Commit a message, and drop those of its room that are no longer replayed.

        Takes the fields of Message. Returns the message and the id of the one before it in the
        room (None for a room's first), by which a listener can tell that it has missed one.
        When this returns, the message is on the disk. Raises django.db.Error if it is not.
        """
        # durable: inside someone else's transaction a return would promise nothing.
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
    """One thing that someone said in a room."""

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
        """History is read and pruned by room, newest first."""

        ordering = ("-id",)
        indexes = (models.Index(fields=("room", "id"), name="chat_room_history"),)

    def __str__(self) -> str:
        return f"{self.name}: {self.text[:60]}"

    def payload(self) -> dict:
        """Return the message as clients receive it; see chat.consumers for the protocol."""
        return {
            "type": "message",
            "id": self.id,
            "name": self.name,
            "guest": self.guest,
            "message": self.text,
            "sent": self.sent.isoformat(),
        }
