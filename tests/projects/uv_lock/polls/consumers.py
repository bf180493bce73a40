from asgiref.sync import async_to_sync
from channels.generic.websocket import JsonWebsocketConsumer
from django.db.models import F

from .models import Choice

GROUP = "poll"


class PollConsumer(JsonWebsocketConsumer):
    """Takes {"vote": "tea"}, and tells everyone the results."""

    def connect(self):
        async_to_sync(self.channel_layer.group_add)(GROUP, self.channel_name)
        self.accept()
        self.poll_changed({})

    def disconnect(self, code):
        async_to_sync(self.channel_layer.group_discard)(GROUP, self.channel_name)

    def receive_json(self, content):
        choice, _ = Choice.objects.get_or_create(text=str(content["vote"])[:40])
        Choice.objects.filter(pk=choice.pk).update(votes=F("votes") + 1)
        async_to_sync(self.channel_layer.group_send)(GROUP, {"type": "poll.changed"})

    def poll_changed(self, event):
        self.send_json({"results": dict(Choice.objects.values_list("text", "votes"))})
