from channels.generic.websocket import AsyncJsonWebsocketConsumer


class GameConsumer(AsyncJsonWebsocketConsumer):
    groups = ("games",)

    async def receive_json(self, content):
        await self.channel_layer.group_send("games", {"type": "move", "data": content})

    async def move(self, event):
        await self.send_json(event["data"])
