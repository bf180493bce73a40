from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Recipe


class RecipeConsumer(AsyncJsonWebsocketConsumer):
    groups = ("recipes",)

    async def receive_json(self, content):
        stored = await Recipe.objects.acreate(title=content["title"])
        await self.channel_layer.group_send("recipes", {"type": "recipe", "title": stored.title})

    async def recipe(self, event):
        await self.send_json({"title": event["title"]})
