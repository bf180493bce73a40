from channels.generic.websocket import AsyncJsonWebsocketConsumer


class BidConsumer(AsyncJsonWebsocketConsumer):
    groups = ("bids",)

    async def receive_json(self, content):
        await self.channel_layer.group_send("bids", {"type": "bid", "data": content})

    async def bid(self, event):
        await self.send_json(event["data"])
