"""The site as an ASGI application: HTTP for Django, websockets for the chat's consumers."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, WebsocketDenier
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

# This sets Django up, which the models that the consumers import need.
django_asgi_app = get_asgi_application()

from chat.consumers import AdminChatConsumer, PublicChatConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_asgi_app,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                URLRouter(
                    [
                        path("chat/admin/", AdminChatConsumer.as_asgi()),
                        path("chat/", PublicChatConsumer.as_asgi()),
                        # Without it, an unknown path raises ValueError: a traceback in the log.
                        re_path(r"", WebsocketDenier.as_asgi()),
                    ]
                )
            )
        ),
    }
)
