"""A visitor of the site: pages, forms and websockets, from outside the machine."""

import re
from collections.abc import Mapping
from typing import Any

import requests
import websocket

ANSWER_SECONDS = 60.0  # a busy emulated machine


class Browser(requests.Session):
    """A session with cookies that uses no proxy and follows no redirect."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.trust_env = False
        self.url = url

    def request(  # type: ignore[override] # one timeout for all
        self, method: str, path: str, **options: Any
    ) -> requests.Response:
        """Send a request for a path of the site."""
        options.setdefault("timeout", ANSWER_SECONDS)
        options["allow_redirects"] = False  # get() of requests sets it
        return super().request(method, self.url + path, **options)

    def token(self, page: str) -> str:
        """The CSRF token of the form on `page`."""
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(page).text)
        assert found, f"{page} has no form"
        return found[1]

    def submit(
        self, page: str, path: str, fields: dict[str, str], token: str = "", **options: Any
    ) -> requests.Response:
        """Post the form of `page` to `path`, as a browser does; without `token`, fetch it first."""
        headers = {"Origin": self.url, "Referer": self.url + page, **options.pop("headers", {})}
        data = {"csrfmiddlewaretoken": token or self.token(page), **fields}
        return self.post(path, data=data, headers=headers, **options)


def open_websocket(
    url: str,
    path: str,
    *,
    origin: str | None = None,
    cookie: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> websocket.WebSocket:
    """Open a websocket of the site at `url` (http://...); `origin` is the page's URL.

    Raises websocket.WebSocketBadStatusException if the handshake is refused.
    """
    return websocket.create_connection(
        url.replace("http", "ws", 1) + path,
        timeout=ANSWER_SECONDS,
        origin=origin or url,
        cookie=cookie,
        header=dict(headers or {}),
    )
