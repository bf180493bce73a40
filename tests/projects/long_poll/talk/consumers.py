from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Line


class RoomConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["name"]
        self.group = f"room.{self.room}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content):
        line = await Line.objects.acreate(room=self.room, text=str(content["text"])[:1000])
        await self.channel_layer.group_send(self.group, {"type": "room.line", "text": line.text})

    async def room_line(self, event):
        await self.send_json({"text": event["text"]})
