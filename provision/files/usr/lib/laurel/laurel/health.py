"""The health of one process of the site, probed on its own socket."""

import socket
import time
from collections.abc import Mapping
from pathlib import Path

HEALTHY_BELOW = 500  # a project may answer `/` with a redirect or a refusal and be healthy
LONGEST_LINE = 1 << 16  # bytes

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
    """Request `path` from the process behind `socket_path`; return "" or the problem."""
    answer = ask(socket_path, path, timeout, headers)
    if isinstance(answer, str):
        return answer
    return "" if answer < HEALTHY_BELOW else f"{path}: HTTP {answer}"


def ask(
    socket_path: str, path: str, timeout: float = 5.0, headers: Mapping[str, str] | None = None
) -> int | str:
    """The status with which the process answers a request for `path`, or why there is no answer.

    `timeout` is in seconds, from the connection to the end of the status line.
    """
    deadline = time.monotonic() + timeout
    given = {"Host": "localhost", "User-Agent": "laurel", "Connection": "close", **(headers or {})}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    received = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(socket_path)
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            while b"\n" not in received and len(received) < LONGEST_LINE:
                connection.settimeout(max(0.001, deadline - time.monotonic()))
                more = connection.recv(4096)
                if not more:
                    return f"{path}: the connection was closed without an answer"
                received += more
        return int(received.split(None, 2)[1])
    except TimeoutError:
        return f"{path}: no answer within {timeout:.0f} s"
    except OSError as error:
        return f"{path}: {error}"
    except (ValueError, IndexError):
        return f"{path}: not HTTP"


def connections(socket_path: str) -> int:
    """How many connections the process behind `socket_path` holds (proc(5), net/unix)."""
    connected = "03"  # SS_CONNECTED
    return sum(
        fields[5] == connected and fields[7] == socket_path
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]
        if len(fields := line.split()) == 8
    )


def memory(pid: int) -> int:
    """MiB of memory that the process `pid` and its children use (RSS); 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return pages * 4 // 1024 + sum(memory(int(child)) for child in children)
