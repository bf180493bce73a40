"""A server that stands for one process of the site and records its requests."""

import itertools
import socket
import socketserver
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import cast

_numbers = itertools.count()


@dataclass(frozen=True)
class Request:
    """One received request; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, list[str]]
    body: bytes
    upstream: str
    connection: int  # counted from 1, for each start of the upstream
    number: int  # counted over all upstreams

    def header(self, name: str) -> str | None:
        """The only value of the header `name`; None if it was not sent."""
        values = self.headers.get(name.lower(), [])
        assert len(values) < 2, f"{name} was sent {len(values)} times: {values}"
        return values[0] if values else None


@dataclass
class Upstream:
    """Listens on `address`, a unix socket's path or a TCP address with port 0 for a free port.

    It answers `/hold` once `gate` is set, `/status/NNN` with that status, a websocket's upgrade
    with an echo, and everything else with 200 and the name of the upstream.
    """

    name: str
    address: Path | tuple[str, int]
    requests: list[Request] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    _server: "_Server | None" = None

    def start(self) -> "Upstream":
        """Listen; replaces the socket of a killed one."""
        if isinstance(self.address, Path):
            self.address.unlink(missing_ok=True)
            self._server = _Server(self, socket.AF_UNIX, str(self.address))
        else:
            self._server = _Server(self, socket.AF_INET, self.address)
            self.address = self._server.socket.getsockname()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    @property
    def open_connections(self) -> int:
        """The number of open connections."""
        assert self._server
        return self._server.open_connections()

    def kill(self) -> None:
        """Close everything as SIGKILL would; the socket's file stays."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._server = None

    @property
    def port(self) -> int:
        """The TCP port."""
        assert isinstance(self.address, tuple)
        return self.address[1]


class _Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: Upstream, family: int, address: str | tuple[str, int]) -> None:
        super().__init__(("", 0), _Handler)
        self.upstream = upstream
        self.socket = socket.socket(family)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(address)
        self.socket.listen(128)
        self.connections: list[socket.socket] = []

    def fileno(self) -> int:
        return self.socket.fileno()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, _ = self.socket.accept()
        self.connections.append(connection)
        return connection, ("", len(self.connections))

    def shutdown_request(self, request: object) -> None:
        cast(socket.socket, request).close()

    def server_close(self) -> None:
        self.socket.close()

    def open_connections(self) -> int:
        return sum(connection.fileno() >= 0 for connection in self.connections)

    def cut(self) -> None:
        for connection in self.connections:
            if connection.fileno() >= 0:
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):  # cut: ValueError for a closed file
            self.close_connection = True

    def _answer(self) -> None:
        upstream = self.server.upstream
        headers: dict[str, list[str]] = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream.requests.append(
            Request(
                method=self.command,
                target=self.path,
                headers=headers,
                body=body,
                upstream=upstream.name,
                connection=self.client_address[1],
                number=next(_numbers),
            )
        )
        if self.headers.get("Upgrade") == "websocket":
            self._echo()
            return
        if self.path == "/hold":
            upstream.gate.wait(20)
        status = int(self.path.removeprefix("/status/")) if "/status/" in self.path else 200
        self.send_response(status)
        self.send_header("X-Upstream", upstream.name)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_HEAD = do_OPTIONS = _answer  # noqa: N815 # names that http.server wants

    def _echo(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        while data := self.connection.recv(1000):
            self.connection.sendall(data)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass
