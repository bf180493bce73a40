"""
ASGI config for livepoll: pages by Django, the poll itself over a websocket.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "livepoll.settings")

# Loads the apps, which the imports below need.
http = get_asgi_application()

import polls.routing  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

websocket = AllowedHostsOriginValidator(URLRouter(polls.routing.websocket_urlpatterns))
application = ProtocolTypeRouter({"http": http, "websocket": websocket})
