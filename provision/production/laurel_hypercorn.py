"""The project's ASGI application under hypercorn, which reads no proxy's headers by itself."""

from typing import Any

from hypercorn.middleware import ProxyFixMiddleware
from laurel_application import application as project

served = project("ASGI")


async def by_protocol(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The project's: X-Forwarded-Proto says http and https of a websocket, too."""
    if scope["type"] == "websocket":
        scope["scheme"] = scope["scheme"].replace("http", "ws")
    await served(scope, receive, send)


# nginx alone reaches the socket, and says what is true.
application = ProxyFixMiddleware(by_protocol, trusted_hops=1)
