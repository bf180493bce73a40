from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Remark


class LoungeConsumer(AsyncJsonWebsocketConsumer):
    """Members only: {"text": "..."} in, {"member": "...", "text": "..."} out."""

    async def connect(self):
        self.member = self.scope["user"]
        if not self.member.is_authenticated:
            await self.close()
            return
        await self.channel_layer.group_add("lounge", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard("lounge", self.channel_name)

    async def receive_json(self, content):
        remark = await Remark.objects.acreate(member=self.member, text=content["text"][:500])
        await self.channel_layer.group_send(
            "lounge",
            {"type": "lounge.remark", "member": self.member.username, "text": remark.text},
        )

    async def lounge_remark(self, event):
        await self.send_json({"member": event["member"], "text": event["text"]})
