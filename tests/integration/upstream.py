"""A server that stands for one process of the site and records its requests."""

import socket
import socketserver
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """One received request; header names are in lower case."""

    target: str
    headers: dict[str, list[str]]
    body: bytes
    upstream: str
    connection: int  # counted from 1, for each start of the upstream

    def header(self, name: str) -> str | None:
        """The only value of the header `name`; None if it was not sent."""
        values = self.headers.get(name.lower(), [])
        assert len(values) < 2, f"{name} was sent {len(values)} times: {values}"
        return values[0] if values else None


class Upstream:
    """Listens on the unix socket `path`, or without one on a free port of 127.0.0.1.

    It adds each request to `requests`, a list that upstreams may share. It answers `/hold` once
    `gate` is set, `/status/NNN` with that status, `/as/TYPE` with 3000 bytes of that type, and
    `/stream` with a part of HTML before and one after `gate` is set. It closes the connection of
    `/die`. It answers a websocket's upgrade with an echo, and everything else with 200 and its
    name.
    """

    def __init__(self, name: str, path: Path | None, requests: list[Request]) -> None:
        self.name = name
        self.path = path
        self.requests = requests
        self.gate = threading.Event()
        self._server: _Server | None = None

    def start(self) -> "Upstream":
        """Listen; replaces the socket of a killed one."""
        if self.path:
            self.path.unlink(missing_ok=True)
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    @property
    def port(self) -> int:
        """The TCP port."""
        assert self._server
        return int(self._server.server_address[1])

    def kill(self) -> None:
        """Close everything as SIGKILL would; the socket's file stays."""
        self.gate.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            for connection in self._server.connections:
                if connection.fileno() >= 0:
                    connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    server_bind = socketserver.TCPServer.server_bind  # HTTPServer's looks up a host name

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.connections: list[socket.socket] = []
        self.address_family = socket.AF_UNIX if upstream.path else socket.AF_INET
        address = str(upstream.path) if upstream.path else ("127.0.0.1", 0)
        super().__init__(address, _Handler)  # type: ignore[arg-type]

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, _ = super().get_request()
        self.connections.append(connection)
        return connection, ("", len(self.connections))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):  # killed; ValueError for a closed file
            self.close_connection = True

    def _answer(self) -> None:
        upstream = self.server.upstream
        headers: dict[str, list[str]] = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream.requests.append(
            Request(self.path, headers, body, upstream.name, self.client_address[1])
        )
        if self.headers.get("Upgrade") == "websocket":
            self._echo()
            return
        if self.path == "/die":
            self.close_connection = True
            return
        if self.path == "/stream":
            self._stream()
            return
        if self.path == "/hold":
            upstream.gate.wait(20)
        kind = self.path.removeprefix("/as/") if self.path.startswith("/as/") else ""
        body = b"x" * 3000 if kind else b""
        status = int(self.path.removeprefix("/status/")) if "/status/" in self.path else 200
        self.send_response(status)
        self.send_header("X-Upstream", upstream.name)
        self.send_header("Content-Length", str(len(body)))
        if kind:
            self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 # names that http.server wants

    def _stream(self) -> None:
        """As a server sends it that has asked nginx not to wait for more."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("X-Accel-Buffering", "no")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        self.server.upstream.gate.wait(20)
        self.wfile.write(b"4\r\nlast\r\n0\r\n\r\n")

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
