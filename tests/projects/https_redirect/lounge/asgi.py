import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lounge.settings")
pages = get_asgi_application()

from members.consumers import LoungeConsumer  # noqa: E402

sockets = AuthMiddlewareStack(URLRouter([path("ws/lounge/", LoungeConsumer.as_asgi())]))

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AllowedHostsOriginValidator(sockets),
    }
)
