"""The public room over a websocket, through the whole application."""

import asyncio
import json
from datetime import datetime

import pytest
from channels.db import database_sync_to_async
from channels.layers import InMemoryChannelLayer
from django.db import OperationalError

from chat import delivery
from chat.consumers import MAX_FRAME, NOT_STAFF, OUT_OF_ORDER
from chat.models import HISTORY, MAX_MESSAGE, MAX_NAME, Message, Room

from .conftest import PATIENCE

# Beyond Python's limits of 4300 digits and some 1000 levels.
HUGE_NUMBER = '{"message": ' + "9" * 5000 + "}"
DEEP_NEST = "[" * 20000


async def say(socket, message, **more):
    """Send a message, and return the server's answer."""
    await socket.send_json_to({"message": message, **more})
    return await socket.receive_json_from()


@database_sync_to_async
def stored():
    """Return the stored messages, oldest first."""
    return list(Message.objects.order_by("id"))


async def test_message_reaches_every_client(connect):
    async with connect() as ada, connect() as bob:
        to_ada = await say(ada, "Hello", name="Ada")
        to_bob = await bob.receive_json_from()
    assert to_ada == to_bob
    assert datetime.fromisoformat(to_bob.pop("sent")).tzinfo is not None
    assert to_bob == {
        "type": "message",
        "id": to_bob["id"],
        "name": "Ada",
        "guest": True,
        "message": "Hello",
    }


async def test_message_is_committed_before_it_is_delivered(connect, monkeypatch):
    heard = []
    pass_on = delivery.pass_on

    async def spy(message, previous):
        heard.extend(await stored())
        await pass_on(message, previous)

    monkeypatch.setattr(delivery, "pass_on", spy)
    async with connect() as socket:
        await say(socket, "Hello")
    assert [message.text for message in heard] == ["Hello"]


async def test_joining_client_gets_the_history_oldest_first(connect):
    @database_sync_to_async
    def fill():
        for number in range(HISTORY + 3):
            Message.objects.store(room=Room.PUBLIC, name="Ada", text=str(number))

    await fill()
    async with connect() as socket:
        replayed = [await socket.receive_json_from() for _ in range(HISTORY)]
        assert await socket.receive_nothing()
    assert [message["message"] for message in replayed] == [
        str(number) for number in range(3, HISTORY + 3)
    ]
    assert {"type", "id", "name", "guest", "message", "sent"} == set(replayed[0])


async def test_staff_messages_stay_out_of_the_public_room(connect):
    @database_sync_to_async
    def tell_staff():
        return Message.objects.store(room=Room.STAFF, name="boss", text="secret")

    message, previous = await tell_staff()
    async with connect() as socket:
        await delivery.pass_on(message, previous)
        assert await socket.receive_nothing()


async def test_guest_without_a_name_is_called_guest(connect):
    async with connect() as socket:
        assert (await say(socket, "Hello"))["name"] == "guest"
        assert (await say(socket, "Hello", name="  "))["name"] == "guest"
        assert (await say(socket, "Hello", name=None))["name"] == "guest"


async def test_logged_in_user_cannot_choose_a_name(connect, cookies):
    headers = await database_sync_to_async(cookies)("grace")
    async with connect(headers=headers) as socket:
        answer = await say(socket, "Hello", name="boss")
    assert (answer["name"], answer["guest"]) == ("grace", False)


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("2001:db8::1", 4711), "2001:db8::1"),
        (("::ffff:192.0.2.7", 4711), "192.0.2.7"),
        (("unknown", 0), None),
        (None, None),
    ],
)
async def test_client_address_is_stored_but_not_sent(connect, client, address):
    async with connect(client=client) as socket:
        answer = await say(socket, "Hello")
    assert [message.remote_addr for message in await stored()] == [address]
    assert "192.0.2.7" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "malformed"),
        ("[]", "malformed"),
        ('"Hello"', "malformed"),
        ("null", "malformed"),
        (HUGE_NUMBER, "malformed"),
        (DEEP_NEST, "malformed"),
        ('{"message": 7}', "malformed"),
        ('{"message": ["Hello"]}', "malformed"),
        ('{"message": "Hello", "name": {}}', "malformed"),
        (r'{"message": "\ud83d"}', "malformed"),
        (r'{"message": "Hello", "name": "\udc00"}', "malformed"),
        (json.dumps({"message": "x" * MAX_FRAME}), "malformed"),
        (b"\x00\xff", "malformed"),
        ("{}", "invalid"),
        ('{"message": null}', "invalid"),
        ('{"message": " \\n "}', "invalid"),
        (r'{"message": "nul \u0000"}', "invalid"),
        (r'{"message": "Hello", "name": "nul\u0000"}', "invalid"),
        (json.dumps({"message": "x" * (MAX_MESSAGE + 1)}), "invalid"),
        (json.dumps({"message": "Hello", "name": "x" * (MAX_NAME + 1)}), "invalid"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_invalid_frame_gets_an_error_and_is_not_stored(connect, frame, code):
    async with connect() as socket:
        key = "bytes_data" if isinstance(frame, bytes) else "text_data"
        await socket.send_to(**{key: frame})
        answer = await socket.receive_json_from()
        assert (answer["type"], answer["code"]) == ("error", code)
        assert await stored() == []
        assert (await say(socket, "still here"))["message"] == "still here"


@pytest.mark.parametrize("event", [{"text": ""}, {"bytes": b""}, {"text": None, "bytes": b"x"}])
async def test_empty_or_binary_frame_gets_an_error(connect, event):
    async with connect() as socket:
        await socket.send_input({"type": "websocket.receive", **event})
        assert (await socket.receive_json_from())["code"] == "malformed"


async def test_longest_message_fits_in_a_frame(connect):
    longest = "\U0001f33f" * MAX_MESSAGE
    async with connect() as socket:
        answer = await say(socket, longest, name="\U0001f33f" * MAX_NAME)
    assert answer["message"] == longest


@pytest.mark.parametrize("origin", [b"http://evil.example", b"null", None])
async def test_page_of_another_site_is_refused(connect, origin):
    async with connect(origin=origin) as socket:
        assert not socket.accepted


async def test_unknown_path_is_refused_without_an_exception(connect):
    async with connect("/nowhere/") as socket:
        assert not socket.accepted


async def test_message_without_a_layer_is_stored_with_an_error(connect, break_layer):
    break_layer("group_send")
    async with connect() as socket:
        assert (await say(socket, "Hello"))["message"] == "Hello"
        assert (await socket.receive_json_from())["code"] == "not_passed_on"
    assert [message.text for message in await stored()] == ["Hello"]


async def test_lost_message_comes_with_the_next_one(connect):
    @database_sync_to_async
    def store(text):
        return Message.objects.store(room=Room.PUBLIC, name="Ada", text=text)

    async with connect() as socket:
        await say(socket, "one")
        await store("two")
        await delivery.pass_on(*await store("three"))
        heard = [(await socket.receive_json_from())["message"] for _ in range(2)]
        assert heard == ["two", "three"]
        assert await socket.receive_nothing()


async def test_repeated_message_is_sent_once(connect):
    @database_sync_to_async
    def store():
        return Message.objects.store(room=Room.PUBLIC, name="Ada", text="Hello")

    stored_one = await store()
    async with connect() as socket:
        await socket.receive_json_from()
        await delivery.pass_on(*stored_one)
        assert await socket.receive_nothing()


@pytest.mark.parametrize("method", ["new_channel", "group_add"])
async def test_client_without_a_layer_is_asked_to_come_back(connect, break_layer, method):
    break_layer(method)
    async with connect() as socket:
        assert socket.accepted
        answer = await socket.receive_json_from()
        assert answer["code"] == "unavailable"
        assert "redis" not in answer["message"]
        closing = await socket.receive_output()
    assert (closing["type"], closing["code"]) == ("websocket.close", OUT_OF_ORDER)


def test_daphne_accepts_the_close_codes():
    # autobahn raises for most others; codes below 4000 are for libraries.
    assert 4000 <= NOT_STAFF < OUT_OF_ORDER <= 4999


async def test_own_exception_is_not_blamed_on_the_layer(connect, monkeypatch):
    def fail(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr(Message.objects, "recent", fail)
    with pytest.raises(ZeroDivisionError):
        async with connect() as socket:
            await socket.wait(timeout=PATIENCE)
    assert socket.output_queue.empty()


async def test_client_can_leave_without_a_layer(connect, break_layer):
    break_layer("group_discard")
    async with connect() as socket:
        await say(socket, "Goodbye")


async def test_hanging_layer_does_not_block_the_sender(connect, monkeypatch):
    async def hang(*_args):
        await asyncio.sleep(60)

    async with connect() as socket:
        monkeypatch.setattr(delivery, "TIMEOUT", 0.05)
        monkeypatch.setattr(InMemoryChannelLayer, "group_send", hang)
        assert (await say(socket, "Hello"))["message"] == "Hello"
        assert (await socket.receive_json_from())["code"] == "not_passed_on"


async def test_message_that_was_not_stored_gets_an_error(connect, monkeypatch):
    def refuse(**_fields):
        raise OperationalError("database is locked")

    async with connect() as socket:
        monkeypatch.setattr(Message.objects, "store", refuse)
        assert (await say(socket, "Hello"))["code"] == "not_stored"
