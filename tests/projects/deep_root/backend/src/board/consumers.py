from channels.generic.websocket import AsyncJsonWebsocketConsumer


class BoardConsumer(AsyncJsonWebsocketConsumer):
    groups = ("board",)

    async def receive_json(self, content):
        text = str(content.get("text", ""))[:200]
        await self.channel_layer.group_send("board", {"type": "board.note", "text": text})

    async def board_note(self, event):
        await self.send_json({"kind": "note", "text": event["text"]})

    async def board_file(self, event):
        await self.send_json({"kind": "file", "title": event["title"], "url": event["url"]})
