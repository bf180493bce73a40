"""Fixtures: accounts, connections, and a broken channel layer."""

import contextlib

import pytest
from channels.layers import InMemoryChannelLayer, channel_layers
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client

from chat import delivery
from mysite import health
from mysite.asgi import application

ORIGIN = b"http://chat.example"
# Seconds. Answers take milliseconds, but longer on a busy host.
PATIENCE = 20


class PatientCommunicator(WebsocketCommunicator):
    """A websocket client that waits for PATIENCE instead of one second."""

    async def connect(self, timeout=PATIENCE):
        """Connect."""
        return await super().connect(timeout)

    async def receive_output(self, timeout=PATIENCE):
        """Return the next event from the application."""
        return await super().receive_output(timeout)

    async def receive_from(self, timeout=PATIENCE):
        """Return the next frame."""
        return await super().receive_from(timeout)

    async def receive_json_from(self, timeout=PATIENCE):
        """Return the content of the next frame."""
        return await super().receive_json_from(timeout)

    async def disconnect(self, code=1000, timeout=PATIENCE):
        """Close the connection."""
        await super().disconnect(code, timeout)


class BrokenLayer(InMemoryChannelLayer):
    """A layer whose methods named in `broken` fail as without Redis."""

    def __init__(self, *broken: str):
        super().__init__()
        for name in broken:
            setattr(self, name, self._fail)

    async def _fail(self, *_args):
        raise ConnectionError("Error 111 connecting to redis.internal:6379")


@pytest.fixture(autouse=True)
def fresh_layer():
    """Give each test its own channel layer, for its own event loop."""
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Raise the site's timeouts; a test of a timeout sets its own."""
    monkeypatch.setattr(delivery, "TIMEOUT", PATIENCE)
    monkeypatch.setattr(health, "PART_TIMEOUT", PATIENCE)


@pytest.fixture
def break_layer():
    """Return a function that replaces the channel layer by one with broken methods."""

    def replace(*methods):
        channel_layers.set("default", BrokenLayer(*methods))

    return replace


@pytest.fixture
def ask():
    """Return a function that sends a request to the ASGI application, as a server does.

    Django's asynchronous test client can't set the Host header, and always has an address.
    """

    async def request(path, method="GET", host=b"chat.example", body=b"", headers=()):
        http = HttpCommunicator(application, method, path, body, [(b"host", host), *headers])
        response = await http.get_response(timeout=PATIENCE)
        await http.wait(timeout=PATIENCE)
        return response

    return request


@pytest.fixture
def cookies(transactional_db):
    """Return a function that logs in a new user, and returns the headers of the session."""

    def log_in(username, **flags):
        user = User.objects.create_user(username, **flags)
        client = Client()
        client.force_login(user)
        return [(b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())]

    return log_in


@pytest.fixture
def connect(transactional_db):
    """Return a context manager for a client of the whole application, connected to a path.

    Its arguments are the path, further headers, the Origin header (None: no header), and the
    client's address as the server passes it.
    """

    @contextlib.asynccontextmanager
    async def connected(path="/chat/", headers=(), origin=ORIGIN, client=("192.0.2.7", 4711)):
        origin_header = [(b"origin", origin)] if origin else []
        socket = PatientCommunicator(application, path, [*origin_header, *headers])
        socket.scope["client"] = client
        socket.accepted, _ = await socket.connect()
        try:
            yield socket
        finally:
            await socket.disconnect()

    return connected
