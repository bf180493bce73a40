"""A tunnel to a port that listens on the machine's loopback address only."""

import select
import socket
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import paramiko

from machine.error import UnreachableError

CHUNK_BYTES = 65536


@contextmanager
def open_tunnel(transport: Callable[[], paramiko.Transport], port: int) -> Iterator[int]:
    """Listen on a port of 127.0.0.1 that leads over SSH to `port` of the machine's 127.0.0.1.

    Args:
        transport: returns the SSH connection; called for each TCP connection.

    Yields:
        the port on this side.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                channel = transport().open_channel(
                    "direct-tcpip", ("127.0.0.1", port), self.client_address
                )
            except (paramiko.SSHException, UnreachableError, OSError, EOFError):
                return  # nothing listens there, or SSH is lost: the client's connection is closed
            with channel:
                _pump(self.request, channel)

    with _Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False  # do not wait for a websocket that a test left open


def _pump(near: socket.socket, far: paramiko.Channel) -> None:
    """Copy both ways until both sides have closed their end."""
    open_ends: list[socket.socket | paramiko.Channel] = [near, far]
    try:
        while open_ends:
            for source in select.select(open_ends, [], [])[0]:
                target = far if source is near else near
                data = source.recv(CHUNK_BYTES)
                if data:
                    target.sendall(data)
                    continue
                open_ends.remove(source)
                if target is far:
                    far.shutdown_write()
                else:
                    near.shutdown(socket.SHUT_WR)
    except OSError:
        return  # one side reset the connection; the caller closes both
