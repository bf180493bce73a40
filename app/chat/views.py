"""The pages of the two rooms, with a form that works without JavaScript."""

import contextlib

from asgiref.sync import async_to_sync
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from .delivery import NotPassedOnError, pass_on
from .forms import MessageForm
from .models import HISTORY, MAX_MESSAGE, MAX_NAME, Message, Room
from .senders import client_address, display_name

# What the template needs to know about each room.
PAGES = {
    Room.PUBLIC: {"title": "Chat", "page": "chat", "say": "say", "socket": "/chat/"},
    Room.STAFF: {
        "title": "Staff room",
        "page": "staff",
        "say": "staff-say",
        "socket": "/chat/admin/",
    },
}


@never_cache
@require_safe
def chat(request: HttpRequest) -> HttpResponse:
    """Show the public room."""
    return _show(request, Room.PUBLIC)


@require_POST
def say(request: HttpRequest) -> HttpResponse:
    """Store a message in the public room, and pass it on."""
    return _say(request, Room.PUBLIC)


@never_cache
@require_safe
@staff_member_required
def staff(request: HttpRequest) -> HttpResponse:
    """Show the staff room."""
    return _show(request, Room.STAFF)


@require_POST
@staff_member_required
def staff_say(request: HttpRequest) -> HttpResponse:
    """Store a message in the staff room, and pass it on."""
    return _say(request, Room.STAFF)


def _show(request, room, form=None, status=200):
    context = {
        **PAGES[room],
        "staff_room": room == Room.STAFF,
        "history": HISTORY,
        "max_name": MAX_NAME,
        "max_message": MAX_MESSAGE,
        "chat_messages": Message.objects.recent(room),
        "form": form,
        "remote_addr": request.META.get("REMOTE_ADDR") or "no address",
    }
    return render(request, "chat/room.html", context, status=status)


def _say(request, room):
    form = MessageForm(request.POST)
    if not form.is_valid():
        return _show(request, room, form, status=400)
    message, previous = Message.objects.store(
        room=room,
        text=form.cleaned_data["message"],
        remote_addr=client_address(request.META.get("REMOTE_ADDR")),
        **display_name(request.user, form.cleaned_data["name"]),
    )
    # The message is stored: the next page shows it, and listeners get it with the next message.
    with contextlib.suppress(NotPassedOnError):
        async_to_sync(pass_on)(message, previous)
    return redirect(PAGES[room]["page"])
