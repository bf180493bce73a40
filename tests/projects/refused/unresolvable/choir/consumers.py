from channels.generic.websocket import AsyncJsonWebsocketConsumer


class ChoirConsumer(AsyncJsonWebsocketConsumer):
    groups = ("choir",)

    async def receive_json(self, content):
        await self.channel_layer.group_send("choir", {"type": "note", "data": content})

    async def note(self, event):
        await self.send_json(event["data"])
