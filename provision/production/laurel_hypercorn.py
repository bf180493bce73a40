"""The project's ASGI application under hypercorn, which ignores proxy headers without a wrapper."""

from typing import Any

from hypercorn.middleware import ProxyFixMiddleware
from laurel_asgi import application as inner


async def with_websocket_scheme(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Call the project's application with ws or wss as a websocket's scheme."""
    # ProxyFixMiddleware copies http or https from X-Forwarded-Proto.
    if scope["type"] == "websocket":
        scope["scheme"] = scope["scheme"].replace("http", "ws")
    await inner(scope, receive, send)


# One trusted hop: only nginx reaches the socket, and it sets these headers.
application = ProxyFixMiddleware(with_websocket_scheme, trusted_hops=1)
