from channels.generic.websocket import AsyncJsonWebsocketConsumer


class SaleConsumer(AsyncJsonWebsocketConsumer):
    groups = ("sales",)

    async def receive_json(self, content):
        await self.channel_layer.group_send("sales", {"type": "sale", "data": content})

    async def sale(self, event):
        await self.send_json(event["data"])
