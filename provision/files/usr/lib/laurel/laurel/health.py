"""The health of one process of the site, probed on its own socket."""

import http.client
import socket
from collections.abc import Mapping
from pathlib import Path

HEALTHY_BELOW = 500  # a project may answer `/` with a redirect or a refusal and be healthy


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


# A request for a websocket; the key is the example of RFC 6455, 1.3.
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Origin": "http://localhost",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def probe(
    socket_path: str, path: str, timeout: float = 5.0, headers: Mapping[str, str] | None = None
) -> str:
    """Request `path` from the process behind `socket_path`; return "" or the problem.

    `timeout` is in seconds, and applies to the connection and to the answer.
    """
    connection = _UnixConnection(socket_path, timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "laurel", **(headers or {})})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{path}: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status < HEALTHY_BELOW else f"{path}: HTTP {status}"


def connections(socket_path: str) -> int:
    """How many connections the process behind `socket_path` holds (proc(5), net/unix)."""
    connected = "03"  # SS_CONNECTED
    return sum(
        fields[5] == connected and fields[7] == socket_path
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]
        if len(fields := line.split()) == 8
    )
