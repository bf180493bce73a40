"""Django's registration of the chat."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """The chat, under the name that its table and templates carry."""

    name = "chat"
    verbose_name = "Chat"
