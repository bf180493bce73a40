from channels.generic.websocket import AsyncJsonWebsocketConsumer


class SeatConsumer(AsyncJsonWebsocketConsumer):
    groups = ("seats",)

    async def receive_json(self, content):
        await self.channel_layer.group_send("seats", {"type": "seat", "data": content})

    async def seat(self, event):
        await self.send_json(event["data"])
