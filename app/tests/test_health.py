"""/healthz and /readyz, under ASGI and WSGI."""

import asyncio
import json

import pytest
from channels.db import database_sync_to_async
from channels.layers import InMemoryChannelLayer, channel_layers
from django.db import OperationalError, connection
from django.test import AsyncClient, Client

from chat.models import Message
from mysite import health

READY = {"status": "ok", "database": "ok", "channel_layer": "ok"}


@pytest.fixture(params=["asgi", "wsgi"])
def get(request, ask):
    """Return a function that requests a path with a Host that the site does not allow.

    It returns the status, the headers and the body.
    """

    async def by_asgi(path):
        response = await ask(path, host=b"localhost")
        return response["status"], dict(response["headers"]), response["body"]

    async def by_wsgi(path):
        response = await asyncio.to_thread(Client(headers={"host": "localhost"}).get, path)
        headers = {name.encode(): value.encode() for name, value in response.items()}
        return response.status_code, headers, response.content

    return by_asgi if request.param == "asgi" else by_wsgi


async def test_healthz_uses_neither_database_nor_layer(get, break_layer):
    # No database mark: a query here fails the test.
    break_layer("new_channel", "send", "receive", "group_send")
    status, headers, body = await get("/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    assert headers[b"Cache-Control"] == b"no-store"
    assert b"Set-Cookie" not in headers


async def test_healthz_is_not_redirected_to_https(settings):
    settings.SECURE_SSL_REDIRECT = True
    # New clients, because a handler reads the settings once.
    get_by_wsgi = Client(headers={"host": "localhost"}).get
    assert (await asyncio.to_thread(get_by_wsgi, "/healthz")).status_code == 200
    assert (await AsyncClient().get("/healthz")).status_code == 200


async def test_readyz_is_ok_when_both_parts_answer(get, transactional_db):
    status, _, body = await get("/readyz")
    assert (status, json.loads(body)) == (200, READY)


@pytest.mark.parametrize("method", ["new_channel", "send", "receive"])
async def test_readyz_names_a_broken_layer_without_its_address(
    get, transactional_db, break_layer, method
):
    break_layer(method)
    status, _, body = await get("/readyz")
    assert status == 503
    assert json.loads(body) == {
        "status": "unavailable",
        "database": "ok",
        "channel_layer": "ConnectionError",
    }


async def test_readyz_notices_a_layer_that_loses_messages(get, transactional_db, monkeypatch):
    async def lose(*_args):
        return None

    monkeypatch.setattr(InMemoryChannelLayer, "send", lose)
    monkeypatch.setattr(health, "PART_TIMEOUT", 0.2)
    status, _, body = await get("/readyz")
    assert status == 503
    assert json.loads(body)["channel_layer"] == "TimeoutError"


async def test_readyz_names_a_broken_database_without_its_address(
    get, transactional_db, monkeypatch
):
    def fail():
        raise OperationalError('connection to "db.internal" failed: password of user site')

    monkeypatch.setattr(Message.objects, "exists", fail)
    status, _, body = await get("/readyz")
    assert status == 503
    assert json.loads(body) == {
        "status": "unavailable",
        "database": "OperationalError",
        "channel_layer": "ok",
    }


async def test_readyz_notices_missing_tables(get, transactional_db):
    def rename(old, new):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    await database_sync_to_async(rename)("chat_message", "elsewhere")
    try:
        status, _, body = await get("/readyz")
    finally:
        await database_sync_to_async(rename)("elsewhere", "chat_message")
    assert status == 503
    assert json.loads(body)["database"] == "OperationalError"


class CountingLayer(InMemoryChannelLayer):
    """A layer that forgets a channel when a receive() is cancelled, as Redis pub/sub does."""

    known = 0

    async def new_channel(self):
        """Count and return a new channel."""
        self.known += 1
        return await super().new_channel()

    async def receive(self, channel):
        """Receive; if cancelled, subtract the channel."""
        try:
            return await super().receive(channel)
        except asyncio.CancelledError:
            self.known -= 1
            raise


async def test_readyz_leaves_no_channels_behind(ask, transactional_db):
    layer = CountingLayer()
    channel_layers.set("default", layer)
    for _ in range(3):
        assert (await ask("/readyz"))["status"] == 200
    assert layer.known == 0


async def test_health_accepts_get_and_head_only(ask):
    assert (await ask("/healthz", "POST"))["status"] == 405
    assert (await ask("/healthz", "HEAD"))["status"] == 200


async def test_health_answers_exact_paths_only(get):
    status, _, _ = await get("/healthz/x")
    assert status == 400
