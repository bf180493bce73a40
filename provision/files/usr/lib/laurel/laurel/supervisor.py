"""supervisord, through the XML-RPC interface on its own socket."""

import http.client
import socket
import subprocess
import xmlrpc.client
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from laurel.errors import LaurelError
from laurel.process import Process, groups
from laurel.settings import Settings

SERVICE = "supervisor"
CONF = Path("/etc/supervisor/conf.d")
FILES: Sequence[Path] = (CONF / "asgi.conf", CONF / "wsgi.conf")
PROCFILE = CONF / "procfile.conf"
HOLDER = "supervisord"
SOCKET = "/run/supervisor.sock"
OWN = ("asgi", "wsgi")  # the groups that serve the site
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


def processes(settings: Settings) -> list[Process]:
    """The site's processes in order. Raises LaurelError if supervisord does not answer."""
    known = {group.name: group for group in groups(settings)}
    found = []
    for info in _call("getAllProcessInfo"):
        group = known.get(info["group"])
        if group:
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
                    socket=group.socket(number),
                )
            )
    return sorted(found, key=lambda process: (process.group, process.number))


def pids() -> list[int]:
    """The processes that run, of the site and beside it."""
    return [info["pid"] for info in _call("getAllProcessInfo") if info["pid"]]


def others(settings: Settings) -> list[tuple[str, str]]:
    """The programs beside the site's own, of the Procfile: name and state."""
    del settings  # supervisord knows them
    return [
        (info["name"], info["statename"])
        for info in _call("getAllProcessInfo")
        if info["group"] not in OWN
    ]


def restart_others(settings: Settings) -> None:
    """Stop and start each of them: they hold the code that they started with."""
    for name, state in others(settings):
        if state in ("RUNNING", "STARTING", "BACKOFF"):
            _call("stopProcess", name, True)
        _call("startProcess", name, False)


def fails_to_start(process: Process) -> bool:
    """Whether `process` ended as it started, and supervisord waits before it tries again."""
    state = _call("getProcessInfo", process.name)["statename"]
    return bool(state == "BACKOFF")


def restart(process: Process) -> None:
    """Stop `process` and start it again; it may not answer yet when this returns."""
    if process.pid:
        _call("stopProcess", process.name, True)
    _call("startProcess", process.name, False)


def must_restart(settings: Settings, changed: Collection[Path]) -> bool:
    """Whether all must restart at once: a file says other than what runs, whoever changed it."""
    del settings, changed  # supervisord compares the files with what it has started
    ((added, altered, removed),) = _call("reloadConfig")
    return bool(set(OWN) & {*added, *altered, *removed})


def update(settings: Settings) -> None:
    """Take up changed files: none of the site's processes stays what it was started as."""
    before = {process.pid for process in processes(settings) if process.pid}
    update_others(settings)
    # A changed group has restarted as a whole, and no other has.
    for process in processes(settings):
        if process.pid in before:
            restart(process)


def update_others(settings: Settings) -> None:
    """Take up changed files, as the guide does, and let the groups be that are what they were."""
    del settings  # the files have it all
    for verb in ("reread", "update"):
        ran = subprocess.run(["supervisorctl", verb], capture_output=True, text=True, check=False)
        if ran.returncode:
            said = f"{ran.stdout}{ran.stderr}".strip()
            raise LaurelError(f"supervisorctl {verb}: {said}")


def log(name: str) -> str:
    """Where to read what the process or program `name` says."""
    return f"/var/log/site/{name.rpartition(':')[2]}.log"
