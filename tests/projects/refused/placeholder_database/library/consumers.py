from channels.generic.websocket import AsyncJsonWebsocketConsumer


class LoanConsumer(AsyncJsonWebsocketConsumer):
    groups = ("loans",)

    async def receive_json(self, content):
        await self.channel_layer.group_send("loans", {"type": "loan", "data": content})

    async def loan(self, event):
        await self.send_json(event["data"])
