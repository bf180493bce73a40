from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Message


class ChatConsumer(AsyncJsonWebsocketConsumer):
    groups = ("chat",)

    async def receive_json(self, content):
        stored = await Message.objects.acreate(text=content["text"])
        await self.channel_layer.group_send("chat", {"type": "said", "text": stored.text})

    async def said(self, event):
        await self.send_json({"text": event["text"]})
