from channels.generic.websocket import AsyncJsonWebsocketConsumer


class CrossingConsumer(AsyncJsonWebsocketConsumer):
    groups = ("crossings",)

    async def receive_json(self, content):
        await self.channel_layer.group_send("crossings", {"type": "crossing", "data": content})

    async def crossing(self, event):
        await self.send_json(event["data"])
