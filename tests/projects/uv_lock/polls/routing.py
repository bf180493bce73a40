from django.urls import re_path

from .consumers import PollConsumer

websocket_urlpatterns = [
    re_path(r"^ws/poll/$", PollConsumer.as_asgi()),
]
