"""The chat as a Django app."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """The chat."""

    name = "chat"
    verbose_name = "Chat"
