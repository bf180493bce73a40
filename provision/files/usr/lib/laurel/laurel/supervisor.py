"""supervisord, through the XML-RPC interface on its socket."""

import http.client
import socket
import subprocess
import time
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
ANSWER_SECONDS = 60.0
STOP_SECONDS = 15.0  # beyond a process's stopwaitsecs: for the kill that follows
SERVER_STOP_SECONDS = 10  # stopwaitsecs of asgi.conf and wsgi.conf
ENDED = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
# Faults of supervisor's XML-RPC interface that mean that a process is as it should be.
ALREADY_STARTED, NOT_RUNNING = 60, 70


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, _host: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.sock.connect(SOCKET)
        return connection


def _call(method: str, *arguments: Any, ignore: int = 0) -> Any:
    """The answer to a method of supervisord; None for the fault `ignore`."""
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport())
    try:
        return getattr(proxy.supervisor, method)(*arguments)
    except (OSError, xmlrpc.client.ProtocolError, http.client.HTTPException) as error:
        raise LaurelError(
            f"supervisord does not answer on {SOCKET} ({error}):"
            " see `systemctl status supervisor` and `journalctl -u supervisor`"
        ) from None
    except xmlrpc.client.Fault as fault:
        if fault.faultCode == ignore:
            return None
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
        names = [name for name, _ in self.procfile_states()]
        _restart(names, float(self.settings.get("PROCFILE_STOP_SECONDS")))

    def update_procfile(self) -> None:
        _update()

    def restart(self, processes: list[Process]) -> None:
        _restart([process.name for process in processes], SERVER_STOP_SECONDS)

    def must_restart_all(self, changed: Collection[Path]) -> bool:
        del changed
        # supervisord itself compares its files with what it has started.
        ((added, altered, removed),) = _call("reloadConfig")
        return bool(set(SITE_GROUPS) & {*added, *altered, *removed})

    def restart_all(self) -> None:
        before = {info["name"]: info for info in _call("getAllProcessInfo")}
        _update()
        # It has restarted the groups whose files changed; the others still have the old settings.
        old = [
            f"{info['group']}:{info['name']}"
            for info in _call("getAllProcessInfo")
            if info["group"] in SITE_GROUPS
            and info["pid"]
            and before.get(info["name"], {}).get("pid") == info["pid"]
        ]
        _restart(old, SERVER_STOP_SECONDS)

    def log(self, name: str) -> str:
        return f"/var/log/site/{name.rpartition(':')[2]}.log"


def _restart(names: list[str], stop_seconds: float) -> None:
    """Stop all processes `names` at the same time, and start them again.

    A process may fail and be started again by supervisord meanwhile, so no state is an error.
    """
    deadline = time.monotonic() + stop_seconds + STOP_SECONDS
    left = names
    while left:
        if time.monotonic() > deadline:
            raise LaurelError(f"supervisord does not stop {', '.join(left)}")
        for name in left:
            _call("stopProcess", name, False, ignore=NOT_RUNNING)
        left = [one for one in left if _call("getProcessInfo", one)["statename"] not in ENDED]
        if left:
            time.sleep(0.2)
    for name in names:
        _call("startProcess", name, False, ignore=ALREADY_STARTED)


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
