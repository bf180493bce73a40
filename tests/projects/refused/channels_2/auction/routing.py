from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from .consumers import BidConsumer

application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/", BidConsumer)])})
