"""Moderation: staff can read and delete messages, but not write or change them."""

from django.contrib import admin

from .models import Message


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    """The stored messages, with the client addresses that only staff may see."""

    list_display = ("id", "sent", "room", "name", "guest", "remote_addr", "text")
    list_filter = ("room", "guest")
    search_fields = ("name", "text", "remote_addr")

    def has_add_permission(self, request):  # noqa: ARG002
        """Return False: messages are written in the chat."""
        return False

    def has_change_permission(self, request, obj=None):  # noqa: ARG002
        """Return False: staff must not change the words of others."""
        return False
