from asgiref.sync import async_to_sync
from channels.consumer import SyncConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Picture


class GalleryConsumer(AsyncJsonWebsocketConsumer):
    """{"caption": "..."} asks for a thumbnail. Everyone in the gallery gets it when it is made."""

    groups = ("gallery",)

    async def receive_json(self, content):
        await self.channel_layer.send(
            "thumbnails", {"type": "make", "caption": str(content["caption"])}
        )

    async def picture_ready(self, event):
        await self.send_json({"id": event["id"], "thumbnail": event["thumbnail"]})


class ThumbnailWorker(SyncConsumer):
    """Runs in the worker, because making one took the web process's time."""

    def make(self, message):
        caption = message["caption"]
        picture = Picture.objects.create(caption=caption, thumbnail=caption[:12].upper())
        async_to_sync(self.channel_layer.group_send)(
            "gallery",
            {"type": "picture.ready", "id": picture.pk, "thumbnail": picture.thumbnail},
        )
