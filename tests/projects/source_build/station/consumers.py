import json
import logging
from decimal import Decimal, InvalidOperation

from asgiref.sync import async_to_sync
from channels.generic.websocket import WebsocketConsumer

from .models import Reading

log = logging.getLogger(__name__)


class StationConsumer(WebsocketConsumer):
    """The thermometer sends a plain number; everyone who looks at the page is sent JSON."""

    def connect(self):
        async_to_sync(self.channel_layer.group_add)("station", self.channel_name)
        self.accept()
        log.info("%s looks at the weather", self.scope["client"][0])

    def disconnect(self, close_code):
        async_to_sync(self.channel_layer.group_discard)("station", self.channel_name)

    def receive(self, text_data):
        try:
            celsius = Decimal(text_data).quantize(Decimal("0.1"))
        except InvalidOperation:
            log.warning("not a temperature: %.40r", text_data)
            return
        Reading.objects.create(celsius=celsius)
        async_to_sync(self.channel_layer.group_send)(
            "station", {"type": "station.reading", "celsius": str(celsius)}
        )

    def station_reading(self, event):
        self.send(text_data=json.dumps({"celsius": event["celsius"]}))
