import os

from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gallery.settings")
django_app = get_asgi_application()

from pictures.consumers import GalleryConsumer, ThumbnailWorker  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_app,
        "websocket": URLRouter([path("ws/gallery/", GalleryConsumer.as_asgi())]),
        # What `manage.py runworker thumbnails` runs.
        "channel": ChannelNameRouter({"thumbnails": ThumbnailWorker.as_asgi()}),
    }
)
