"""A server as a machine starts it: the command of its .conf, through exec-site, on its sockets."""

import http.client
import itertools
import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import websocket
from integration.wrapper import Wrapper
from laurel import servers

START_SECONDS = 60.0  # until it answers; about ten on a busy host
MESSAGE = 1 << 20  # bytes of the largest websocket message
NOTHING: Mapping[str, str] = {}
# systemd passes a socket as descriptor 3, with these variables.
AS_SYSTEMD = 'exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'

_numbers = itertools.count()


class ServerProcess:
    """A process of the server `name`; `machine` holds the files, `top` is the repository.

    It has another number than every other one. Its environment and code hold settings of a project
    for other machines, which must have no effect here.
    """

    def __init__(self, name: str, machine: Path, top: Path) -> None:
        self.server = servers.read(name)
        self.number = next(_numbers)
        self.socket = Path(self.server.socket(self.number))
        folder = machine / f"{name}{self.number}"
        self.home = folder / "home"
        self.code = folder / "django"
        self.log = folder / "log"
        self.home.mkdir(parents=True)
        self.code.mkdir()
        shutil.copy(Path(__file__).with_name("served.py"), self.code)
        (self.code / "gunicorn.conf.py").write_text("workers = 3\n")
        self._wrapper = Wrapper(top / "provision/files/usr/lib/laurel/exec-site", folder)
        environment = {
            "LAUREL_ASGI_APPLICATION": "served:asgi",
            "LAUREL_WSGI_APPLICATION": "served:wsgi",
            "LAUREL_WEBSOCKET_MESSAGE": str(MESSAGE),
            "PYTHONPATH": top / "provision/production",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "WEB_CONCURRENCY": "3",
            "HOME": self.home,
            "PATH": "/usr/bin:/bin",
        }
        lines = [f"{name}={value}\n" for name, value in environment.items()]
        self._wrapper.environment.write_text("".join(lines))
        self._shared = socket.create_server(("127.0.0.1", 0))
        self.process: subprocess.Popen[bytes]

    def start(self, descriptor: int = 0) -> "ServerProcess":
        """Start it like supervisor, or like systemd with the shared socket as `descriptor` 3."""
        words = shlex.split(self.server.command_line(self.number, descriptor, MESSAGE))
        hand_over = ["bash", "-c", AS_SYSTEMD, "bash"] if descriptor == 3 else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*hand_over, self._wrapper.path, *words],
                stdin=self._shared.fileno() if self.server.shares else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.code,
                env={"PATH": "/usr/bin:/bin"},
                process_group=0,
            )
        return self

    def wait(self) -> "ServerProcess":
        """Wait until it answers on its own socket."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(OSError, http.client.HTTPException):
                self.ask()
                return self
            assert self.process.poll() is None, f"it ended:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"no answer:\n{self.log.read_text()}"
            time.sleep(0.05)

    @property
    def pids(self) -> set[int]:
        """All live processes that run in its folder."""
        found = set()
        for cwd in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if cwd.readlink() == self.code:
                    found.add(int(cwd.parent.name))
        return found

    def end(self) -> None:
        """Kill it and its child processes."""
        self.process.kill()
        self.process.wait(10)
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._shared.close()

    def connect(self) -> socket.socket:
        """A connection to its own socket."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        try:
            connection.connect(str(self.socket))
        except OSError:
            connection.close()
            raise
        return connection

    def connect_shared(self) -> socket.socket:
        """A connection to the socket that it shares with other processes."""
        return socket.create_connection(self._shared.getsockname(), timeout=20)

    def ask(
        self, target: str = "/", headers: Mapping[str, str] = NOTHING, body: bytes | None = None
    ) -> Any:
        """The application's answer to one request, a POST if there is a `body`."""
        with self.connect() as connection:
            return ask_on(connection, target, headers, body)

    @contextmanager
    def websocket(
        self, headers: Mapping[str, str] = NOTHING, path: str = "/room/"
    ) -> Iterator[tuple[websocket.WebSocket, Any]]:
        """An open websocket, and the application's first message."""
        with self.connect() as connection:
            lines = [f"{name}: {value}" for name, value in headers.items()]
            client = websocket.create_connection(
                f"ws://site.example{path}", socket=connection, header=lines
            )
            yield client, json.loads(client.recv())


def ask_on(
    connection: socket.socket,
    target: str = "/",
    headers: Mapping[str, str] = NOTHING,
    body: bytes | None = None,
) -> Any:
    """The application's answer to a request on an open connection, which stays open."""
    client = http.client.HTTPConnection("site.example")
    client.sock = connection
    client.request("GET" if body is None else "POST", target, body, dict(headers))
    answer = client.getresponse()
    assert answer.status == 200, answer.read()
    return json.loads(answer.read())
