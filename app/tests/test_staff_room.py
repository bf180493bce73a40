"""The staff room over a websocket."""

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User

from chat.consumers import NOT_STAFF
from chat.models import Message, Room

PATH = "/chat/admin/"


async def assert_closed(socket):
    """Assert that the server closes with NOT_STAFF."""
    closing = await socket.receive_output()
    assert (closing["type"], closing["code"]) == ("websocket.close", NOT_STAFF)
    assert NOT_STAFF == 4403  # as in chat.js


@database_sync_to_async
def tell_staff():
    """Store a message in the staff room."""
    return Message.objects.store(room=Room.STAFF, name="boss", text="secret")


async def test_guest_is_accepted_and_closed_with_the_code(connect):
    await tell_staff()
    async with connect(PATH) as socket:
        assert socket.accepted
        await assert_closed(socket)
        assert await socket.receive_nothing()


@pytest.mark.parametrize("flags", [{}, {"is_staff": True, "is_active": False}])
async def test_user_who_is_not_active_staff_is_closed(connect, cookies, flags):
    headers = await database_sync_to_async(cookies)("joe", **flags)
    async with connect(PATH, headers) as socket:
        assert socket.accepted
        await assert_closed(socket)


async def test_messages_of_a_refused_client_are_ignored(connect):
    async with connect(PATH) as socket:
        await assert_closed(socket)
        await socket.send_json_to({"message": "let me in"})
        await socket.send_to(bytes_data=b"or in binary")
        assert await socket.receive_nothing()
    assert not await database_sync_to_async(Message.objects.exists)()


async def test_staff_get_messages_and_history(connect, cookies):
    await tell_staff()
    boss = await database_sync_to_async(cookies)("boss", is_staff=True)
    chief = await database_sync_to_async(cookies)("chief", is_staff=True)
    async with connect(PATH, boss) as one, connect(PATH, chief) as other:
        assert (await one.receive_json_from())["message"] == "secret"
        assert (await other.receive_json_from())["message"] == "secret"
        await one.send_json_to({"message": "Hello"})
        for socket in (one, other):
            heard = await socket.receive_json_from()
            assert (heard["name"], heard["message"]) == ("boss", "Hello")
    latest = await database_sync_to_async(Message.objects.first)()
    assert latest.room == Room.STAFF


async def test_refused_client_leaves_no_group(connect, break_layer, caplog):
    break_layer("group_discard")
    async with connect(PATH) as socket:
        await assert_closed(socket)
    assert caplog.records == []


@pytest.mark.parametrize("lost", ["is_staff", "is_active"])
async def test_former_staff_neither_send_nor_receive(connect, cookies, lost):
    boss = await database_sync_to_async(cookies)("boss", is_staff=True)
    chief = await database_sync_to_async(cookies)("chief", is_staff=True)
    joe = await database_sync_to_async(cookies)("joe", is_staff=True)
    demoted = User.objects.exclude(username="boss")
    async with (
        connect(PATH, boss) as stays,
        connect(PATH, chief) as listens,
        connect(PATH, joe) as speaks,
    ):
        await database_sync_to_async(demoted.update)(**{lost: False})
        await speaks.send_json_to({"message": "I am still here"})
        await assert_closed(speaks)
        assert not await database_sync_to_async(Message.objects.exists)()
        await stays.send_json_to({"message": "between us"})
        await stays.receive_json_from()
        await assert_closed(listens)
        assert await listens.receive_nothing()
