from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Ticket


class TicketConsumer(AsyncJsonWebsocketConsumer):
    """A desk's screen: {"subject": "..."} opens a ticket, and every desk is told of it."""

    async def connect(self):
        await self.channel_layer.group_add("desks", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard("desks", self.channel_name)

    async def receive_json(self, content):
        ticket = await database_sync_to_async(Ticket.objects.create)(subject=content["subject"])
        await self.channel_layer.group_send(
            "desks", {"type": "ticket.opened", "id": ticket.pk, "subject": ticket.subject}
        )

    async def ticket_opened(self, event):
        await self.send_json({"id": event["id"], "subject": event["subject"]})
