"""supervisord, through the XML-RPC interface on its socket."""

import http.client
import socket
import subprocess
import xmlrpc.client
from collections.abc import Collection
from pathlib import Path
from typing import Any

from laurel.errors import LaurelError
from laurel.manager import Manager
from laurel.process import Process, groups

CONF = Path("/etc/supervisor/conf.d")
SOCKET = "/run/supervisor.sock"
SITE_GROUPS = ("asgi", "wsgi")
ANSWER_SECONDS = 60.0  # stopping a process may take stopwaitsecs, 10, and a kill


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


class Supervisor(Manager):
    """The guide's manager; a process is called asgi:asgi0."""

    service = "supervisor"
    holder = "supervisord"
    files = (CONF / "asgi.conf", CONF / "wsgi.conf")
    procfile = CONF / "procfile.conf"

    def processes(self) -> list[Process]:
        known = {group.name: group for group in groups(self.settings)}
        found = []
        for info in _call("getAllProcessInfo"):
            if group := known.get(info["group"]):
                number = int(info["name"].removeprefix(group.name))
                found.append(
                    Process(
                        group=group.name,
                        number=number,
                        name=f"{group.name}:{info['name']}",
                        pid=info["pid"],
                        state=info["statename"],
                        uptime=info["now"] - info["start"] if info["pid"] else 0,
                        problem=info["spawnerr"],
                        socket=group.server.socket(number),
                    )
                )
        return sorted(found, key=lambda process: (process.group, process.number))

    def pids(self) -> list[int]:
        return [info["pid"] for info in _call("getAllProcessInfo") if info["pid"]]

    def procfile_states(self) -> list[tuple[str, str]]:
        return [
            (info["name"], info["statename"])
            for info in _call("getAllProcessInfo")
            if info["group"] not in SITE_GROUPS
        ]

    def restart_procfile(self) -> None:
        for name, _ in self.procfile_states():
            _restart(name)

    def update_procfile(self) -> None:
        _update()

    def fails_to_start(self, process: Process) -> bool:
        return bool(_call("getProcessInfo", process.name)["statename"] == "BACKOFF")

    def restart(self, process: Process) -> None:
        _restart(process.name)

    def must_restart_all(self, changed: Collection[Path]) -> bool:
        del changed
        # supervisord itself compares its files with what it has started.
        ((added, altered, removed),) = _call("reloadConfig")
        return bool(set(SITE_GROUPS) & {*added, *altered, *removed})

    def restart_all(self) -> None:
        before = {info["name"]: info for info in _call("getAllProcessInfo")}
        _update()
        # It has restarted the groups whose files changed; the others still have the old settings.
        for info in _call("getAllProcessInfo"):
            old = before.get(info["name"])
            if info["group"] in SITE_GROUPS and old and old["pid"] == info["pid"] != 0:
                _restart(f"{info['group']}:{info['name']}")

    def log(self, name: str) -> str:
        return f"/var/log/site/{name.rpartition(':')[2]}.log"


def _restart(name: str) -> None:
    # A process in BACKOFF has no pid, but startProcess refuses it until it is stopped.
    if _call("getProcessInfo", name)["statename"] in ("RUNNING", "STARTING", "BACKOFF"):
        _call("stopProcess", name, True)
    _call("startProcess", name, False)


def _update() -> None:
    """Restart the groups whose files have changed, and no others, as the guide does."""
    ran = subprocess.run(
        ["supervisorctl", "-s", f"unix://{SOCKET}", "update"],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise LaurelError(f"supervisorctl update: {ran.stdout}{ran.stderr}".strip())
