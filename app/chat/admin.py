"""Moderation: messages can be read and deleted, not written or changed."""

from django.contrib import admin

from .models import Message


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    """The stored messages, with the addresses that only staff may see."""

    list_display = ("id", "sent", "room", "name", "guest", "remote_addr", "text")
    list_filter = ("room", "guest")
    search_fields = ("name", "text", "remote_addr")

    def has_add_permission(self, request):  # noqa: ARG002
        """Nobody: the chat itself is where messages are written."""
        return False

    def has_change_permission(self, request, obj=None):  # noqa: ARG002
        """Nobody: what others said is theirs."""
        return False
