from channels.generic.websocket import AsyncJsonWebsocketConsumer


class GardenConsumer(AsyncJsonWebsocketConsumer):
    groups = ("garden",)

    async def receive_json(self, content):
        await self.channel_layer.group_send("garden", {"type": "chore", "data": content})

    async def chore(self, event):
        await self.send_json(event["data"])
