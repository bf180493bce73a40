"""supervisord, through the XML-RPC interface on its own socket."""

import http.client
import socket
import subprocess
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

from laurel.errors import LaurelError

SOCKET = "/run/supervisor.sock"
GROUP = "asgi"
ANSWER_SECONDS = 60.0  # stopping a process may take stopwaitsecs, 10, and a kill


@dataclass(frozen=True)
class Process:
    """One Daphne: its number from 0, its pid (0 if it does not run), and its state."""

    number: int
    name: str
    pid: int
    state: str
    uptime: int
    problem: str


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, _host: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.sock.connect(SOCKET)
        return connection


def _call(method: str, *arguments: Any) -> Any:
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport())
    try:
        return getattr(proxy.supervisor, method)(*arguments)
    except (OSError, xmlrpc.client.ProtocolError, http.client.HTTPException) as error:
        raise LaurelError(
            f"supervisord does not answer on {SOCKET} ({error}):"
            " see `systemctl status supervisor` and `journalctl -u supervisor`"
        ) from None
    except xmlrpc.client.Fault as fault:
        raise LaurelError(f"supervisord: {method}{arguments}: {fault.faultString}") from None


def processes() -> list[Process]:
    """The site's processes in order. Raises LaurelError if supervisord does not answer."""
    found = [
        Process(
            number=int(info["name"].removeprefix("asgi")),
            name=f"{GROUP}:{info['name']}",
            pid=info["pid"],
            state=info["statename"],
            uptime=info["now"] - info["start"] if info["pid"] else 0,
            problem=info["spawnerr"],
        )
        for info in _call("getAllProcessInfo")
        if info["group"] == GROUP
    ]
    return sorted(found, key=lambda process: process.number)


def pids() -> list[int]:
    """The processes that run, of the site and beside it."""
    return [info["pid"] for info in _call("getAllProcessInfo") if info["pid"]]


def others() -> list[tuple[str, str]]:
    """The programs beside the site's own, of the Procfile: name and state."""
    return [
        (info["name"], info["statename"])
        for info in _call("getAllProcessInfo")
        if info["group"] != GROUP
    ]


def restart_others() -> None:
    """Stop and start each of them: they hold the code that they started with."""
    for name, state in others():
        if state in ("RUNNING", "STARTING", "BACKOFF"):
            _call("stopProcess", name, True)
        _call("startProcess", name, False)


def fails_to_start(number: int) -> bool:
    """Whether that process ended as it started, and supervisord waits before it tries again."""
    return any(process.state == "BACKOFF" for process in processes() if process.number == number)


def restart(process: Process) -> None:
    """Stop `process` and start it again; it may not answer yet when this returns."""
    if process.pid:
        _call("stopProcess", process.name, True)
    _call("startProcess", process.name, False)


def update() -> None:
    """Take up changed files, as the guide does; a changed group restarts as a whole."""
    for verb in ("reread", "update"):
        subprocess.run(["supervisorctl", verb], check=True)
