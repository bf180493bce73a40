from channels.generic.websocket import AsyncJsonWebsocketConsumer


class StockConsumer(AsyncJsonWebsocketConsumer):
    groups = ("stock",)

    async def receive_json(self, content):
        await self.channel_layer.group_send("stock", {"type": "delivery", "data": content})

    async def delivery(self, event):
        await self.send_json(event["data"])
