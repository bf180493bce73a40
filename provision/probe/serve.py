"""Starts the site's server by its real command, and asks it for pages and websockets."""

from __future__ import annotations

import http.client
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from probe.paths import APP, PATIENCE, STATE

Routes = list  # of dictionaries, as routes.py makes them

# Common names of health pages, the most specific first.
HEALTH = (
    "healthz",
    "health",
    "livez",
    "health/live",
    "healthcheck",
    "health-check",
    "ht",
    "_health",
)
STAGE_SECONDS = 60 * PATIENCE  # for a run of Python
START_SECONDS = 30.0 * PATIENCE
ANSWER_SECONDS = 10.0 * PATIENCE
MESSAGE = 1 << 20  # bytes of the largest websocket message
MOST = 12  # pages and websockets that are asked
SOCKET = STATE / "server.sock"
LOG = STATE / "server.log"


def serve(
    question: dict[str, Any], found: dict[str, Any], root: Path, environment: dict[str, str]
) -> dict[str, str]:
    """Return the paths for health checks and the proof; errors and warnings go into `found`.

    Only with SQLite is anything requested: no other database answers here.
    """
    exact = [page for page in found["pages"] if page["exact"]]
    health = [
        page
        for name in HEALTH
        for page in exact
        if f"/{page['path'].strip('/')}".endswith(f"/{name}")
    ]
    pages = [page for page in exact if page not in health and "/admin" not in page["path"]]
    pages.sort(key=lambda page: bool(page["path"] != "/"))
    sockets = sorted(
        found["websockets"], key=lambda one: ("admin" in one["path"], not one["exact"])
    )
    elsewhere = [vendor for vendor in found["vendors"] if vendor != "sqlite"]
    if elsewhere:
        found["unchecked"].append(
            f"the answers to requests: the database is {' and '.join(elsewhere)}, on another host"
        )
        return _paths(health or pages, pages, [one for one in sockets if one["exact"]])
    environment = {
        **environment,
        "LAUREL_ASGI_APPLICATION": found["ASGI_APPLICATION"],
        "LAUREL_WEBSOCKET_MESSAGE": str(MESSAGE),
    }
    with _Server(question["server"], root, environment) as server:
        if not server.answers():
            _error(found, f"the site's server does not start: {_reason(server.log())}")
            return {}
        healthy = _healthy(server, [*health, *pages][:MOST], found)
        if exact and not healthy:
            _error(
                found,
                "no page answers below 500, so no process would be healthy: see the warnings, or"
                " add a page such as /healthz",
            )
        working = [page for page in pages[:MOST] if server.get(page["path"]) < 400]
        open_ones = _shake_hands(server, sockets[:MOST], found)
    return _paths(healthy, working or pages, open_ones)


def migrate(found: dict[str, Any], root: Path, environment: dict[str, str]) -> None:
    """Make the tables, as on the machine before its server starts."""
    command = ("manage.py", "migrate", "--noinput", "--verbosity", "0")
    try:
        code, said = python(root, environment, *command)
    except subprocess.TimeoutExpired as error:
        code, said = 1, f"it did not end within {error.timeout} s"
    if code and not found["errors"]:
        _error(found, f"`manage.py migrate` fails on an empty database: {_reason(said)}")


def python(root: Path, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run the project's Python in the folder `root`; return its exit code and what it printed.

    Raises TimeoutExpired.
    """
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=STAGE_SECONDS,
        check=False,
    )
    return ended.returncode, ended.stdout.decode(errors="replace").strip()


def _paths(health: Routes, pages: Routes, sockets: Routes) -> dict[str, str]:
    """The first path of each list."""
    lists = {"HEALTH_PATH": health, "PAGE_PATH": pages, "WEBSOCKET_PATH": sockets}
    return {name: routes[0]["path"] for name, routes in lists.items() if routes}


def _healthy(server: _Server, pages: Routes, found: dict[str, Any]) -> Routes:
    """The first page that answers below 500; warns of those before it."""
    for page in pages:
        before = len(server.log())
        status = server.get(page["path"])
        if status < 500:
            return [page]
        said = _reason(server.log()[before:])
        _warn(found, f"{page['path']} answers {status} on an empty database: {said}", page["place"])
    return []


def _shake_hands(server: _Server, sockets: Routes, found: dict[str, Any]) -> Routes:
    """The websockets that the server opens or refuses, in order; reports those that fail."""
    working = []
    for one in sockets:
        before = len(server.log())
        status = server.handshake(one["path"])
        if status < 500:
            working.append(one)
            continue
        said = server.log()[before:]
        text = f"the websocket {one['path']} is answered with {status}: {_reason(said)}"
        if not _of_server(said):  # a sample path may lead nowhere, or need a login
            _warn(found, text, one["place"])
            continue
        versions = [
            f"{name} {found['versions'][name]}"
            for name in ("daphne", "twisted", "autobahn", "uvicorn", "websockets")
            if name in found["versions"]
        ]
        _error(
            found,
            f"{text} ({', '.join(versions)}): these versions do not work together; require"
            " daphne>=4.2.2, or the newest release of the server",
        )
        break
    return working


def _of_server(log: str) -> bool:
    """Whether the server's own code raised the last exception in the log."""
    files = re.findall(r'File "([^"]+)"', log)
    servers = "daphne|twisted|autobahn|uvicorn|websockets|hypercorn|granian"
    return bool(files and re.search(rf"/site-packages/({servers})/", files[-1]))


def _reason(log: str) -> str:
    """The last exception in the log, or its last line."""
    lines = [line.strip() for line in log.replace(f"{APP}/", "").splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|DoesNotExist)\b", line)]
    return (raised or lines or ["the log says nothing"])[-1][:300]


def _error(found: dict[str, Any], text: str, place: str = "") -> None:
    found["errors"].append({"place": place, "text": text})


def _warn(found: dict[str, Any], text: str, place: str = "") -> None:
    found["warnings"].append({"place": place, "text": text})


def redis() -> list[str]:
    program = shutil.which("redis-server", path="/usr/bin:/bin")
    return (
        [program, "--bind", "127.0.0.1", "--save", "", "--dir", str(STATE)] if program else ["true"]
    )


class Running:
    """A process that ends with the block."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self._command = command
        self._options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
            **options,
        }

    def __enter__(self) -> Any:
        self.process = subprocess.Popen(self._command, **self._options)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


class _Server(Running):
    """The site's server, on its own socket and on a shared one, as on the machine."""

    def __init__(self, command: str, root: Path, environment: dict[str, str]) -> None:
        shared = socket.create_server(("127.0.0.1", 0))
        line = command.format(socket=SOCKET, descriptor=0, message=MESSAGE)
        program, *arguments = shlex.split(line)
        super().__init__(
            [str(Path(sys.executable).parent / program), *arguments],
            cwd=root,
            env=environment,
            stdin=shared,
            stdout=LOG.open("wb"),
        )

    def log(self) -> str:
        return LOG.read_text(errors="replace")

    def answers(self) -> bool:
        """Whether the server accepts connections, in time."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                _connected().close()
                return True
            except OSError:
                time.sleep(0.1)
        return False

    def get(self, path: str) -> int:
        """The status of a page; 599 if there is none."""
        return self._ask(path, {})

    def handshake(self, path: str) -> int:
        """The status of a websocket's handshake; 599 if there is none."""
        return self._ask(
            path,
            {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Origin": "http://localhost",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",  # RFC 6455, 1.3
            },
        )

    def _ask(self, path: str, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("localhost", timeout=ANSWER_SECONDS)
        with closing(connection):
            try:
                connection.sock = _connected()
                connection.request("GET", path, headers={"Host": "localhost", **headers})
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return 599


def _connected() -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(ANSWER_SECONDS)
    try:
        one.connect(str(SOCKET))
    except OSError:
        one.close()
        raise
    return one
