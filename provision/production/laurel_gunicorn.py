"""The project's WSGI application under gunicorn, which has no client address on a unix socket."""

from collections.abc import Callable, Iterable
from typing import Any

from laurel_application import application as project

wsgi_application = project("WSGI")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Call the project's application with the client's address."""
    # Only nginx reaches the socket, and it sets this header.
    environ["REMOTE_ADDR"] = environ.get("HTTP_X_REAL_IP", "")
    return wsgi_application(environ, start_response)  # type: ignore[no-any-return]
