"""The project's WSGI application under gunicorn, which knows no address behind a unix socket."""

from collections.abc import Callable, Iterable
from typing import Any

from laurel_application import application as project

served = project("WSGI")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The project's, with the client's address: nginx alone reaches the socket, and says it."""
    environ["REMOTE_ADDR"] = environ.get("HTTP_X_REAL_IP", "")
    return served(environ, start_response)  # type: ignore[no-any-return]
