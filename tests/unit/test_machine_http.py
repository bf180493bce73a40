"""Waiting for a site's answer, against a server in this process."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from machine import MachineTimeoutError, RemoteHost
from machine.port import free_ports


class Handler(BaseHTTPRequestHandler):
    """Answers with each of `statuses` in turn, and with the last for ever."""

    statuses: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("X-Host", self.headers["Host"])
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteHost]:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # must not be asked
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield RemoteHost("root@127.0.0.1", url=f"http://127.0.0.1:{server.server_address[1]}/")
        server.shutdown()


def test_http_is_awaited_until_the_status_is_right(host: RemoteHost) -> None:
    Handler.statuses = [502, 503, 200]
    answer = host.wait_for_http("/", timeout=10, headers={"Host": "example.org"})
    assert answer.status_code == 200
    assert answer.headers["X-Host"] == "example.org"
    assert list(host.timings) == ["boot 0 http"]


def test_several_statuses_or_any_may_do(host: RemoteHost) -> None:
    Handler.statuses = [502, 404]
    assert host.wait_for_http("/", range(500), timeout=10).status_code == 404
    Handler.statuses = [502]
    assert host.wait_for_http("/", None, timeout=10).status_code == 502


def test_a_redirect_is_an_answer(host: RemoteHost) -> None:
    Handler.statuses = [302]
    assert host.wait_for_http("/", 302, timeout=10).headers["Location"] == "/elsewhere"


def test_the_last_answer_is_named_at_the_deadline(host: RemoteHost) -> None:
    Handler.statuses = [503]
    with pytest.raises(MachineTimeoutError, match=r"GET /x gives 200.*last: 503 Service Unavail"):
        host.wait_for_http("/x", timeout=0.2)


def test_nobody_who_answers_is_named_too() -> None:
    host = RemoteHost("root@127.0.0.1", url=f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(MachineTimeoutError, match=r"GET / gives any answer.*refused"):
        host.wait_for_http("/", None, timeout=0.2)
