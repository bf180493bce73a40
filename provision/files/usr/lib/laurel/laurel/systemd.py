"""systemd, through systemctl: each process is an instance of a unit, such as asgi@0.service."""

import subprocess
import time
from collections.abc import Collection
from pathlib import Path

from laurel import port, procfile
from laurel.errors import LaurelError
from laurel.manager import Manager
from laurel.process import Process, groups
from laurel.settings import Settings

UNITS = Path("/etc/systemd/system")
SOCKET = "asgi.socket"
SITE = ("asgi@*.service", "wsgi@*.service")
PROCFILE = "procfile@*.service"

# supervisor's words for systemd's states.
_STATES = {
    "active": "RUNNING",
    "reloading": "RUNNING",
    "activating": "STARTING",
    "deactivating": "STOPPING",
    "inactive": "STOPPED",
    "failed": "FATAL",
}
_RETRIED = "auto-restart"  # begins the names of the substates between two starts
_ENDED = ("STOPPED", "FATAL")
_PROPERTIES = (
    *("Id", "ActiveState", "SubState", "MainPID", "Result"),
    *("ExecMainStartTimestampMonotonic", "NeedDaemonReload"),
)

Unit = dict[str, str]  # the value of each property


def _systemctl(*arguments: str) -> str:
    """Run systemctl and return its output. Raises LaurelError with its message if it fails."""
    ran = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise LaurelError(f"systemctl {' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout


def _show(*units: str) -> dict[str, Unit]:
    """Each unit by its name; a pattern stands for the loaded units that match it."""
    shown = _systemctl("show", f"--property={','.join(_PROPERTIES)}", *units)
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n")
    ]
    return {block["Id"]: block for block in blocks if block}


def _state(unit: Unit) -> str:
    if unit["SubState"].startswith(_RETRIED):
        return "BACKOFF"
    return _STATES.get(unit["ActiveState"], unit["ActiveState"].upper())


def _site_units(settings: Settings) -> list[str]:
    return [
        f"{group.name}@{number}.service"
        for group in groups(settings)
        for number in range(group.size)
    ]


def _procfile_units(settings: Settings) -> list[str]:
    return [f"procfile@{name}.service" for name in procfile.names(settings)]


class Systemd(Manager):
    """systemd in the guide's supervisor's role; a process is called asgi@0."""

    service = "laurel-processes"
    holder = "systemd"
    files = (UNITS / "asgi.socket", UNITS / "asgi@.service", UNITS / "wsgi@.service")
    procfile = UNITS / "procfile@.service"

    def processes(self) -> list[Process]:
        """Includes wanted processes that do not run, and running ones beyond PROCESSES."""
        known = {group.name: group for group in groups(self.settings)}
        wanted = _site_units(self.settings)
        found = []
        for name, unit in _show(*wanted, *SITE).items():
            instance = name.removesuffix(".service")
            group_name, _, number = instance.partition("@")
            state = _state(unit)
            if group_name not in known or not number.isdecimal():
                continue
            if name not in wanted and state in _ENDED:
                continue
            pid = int(unit["MainPID"])
            started = int(unit["ExecMainStartTimestampMonotonic"]) / 1e6
            result = unit["Result"]
            found.append(
                Process(
                    group=group_name,
                    number=int(number),
                    name=instance,
                    pid=pid,
                    state=state,
                    uptime=int(time.monotonic() - started) if pid else 0,
                    problem="" if result == "success" else f"({result}: see {self.log(instance)})",
                    socket=known[group_name].server.socket(number),
                )
            )
        return sorted(found, key=lambda process: (process.group, process.number))

    def pids(self) -> list[int]:
        return [pid for unit in _show(*SITE, PROCFILE).values() if (pid := int(unit["MainPID"]))]

    def procfile_states(self) -> list[tuple[str, str]]:
        wanted = _procfile_units(self.settings)
        return [
            (name.removesuffix(".service"), state)
            for name, unit in _show(*wanted, PROCFILE).items()
            if (state := _state(unit)) not in _ENDED or name in wanted
        ]

    def restart_procfile(self) -> None:
        wanted = _procfile_units(self.settings)
        running = [name for name, unit in _show(PROCFILE).items() if _state(unit) not in _ENDED]
        if removed := [name for name in running if name not in wanted]:
            _systemctl("stop", *removed)
        if wanted:
            _systemctl("restart", *wanted)

    def update_procfile(self) -> None:
        _systemctl("daemon-reload")

    def restart(self, processes: list[Process]) -> None:
        _systemctl("restart", *(f"{process.name}.service" for process in processes))

    def must_restart_all(self, changed: Collection[Path]) -> bool:
        shown = _show(SOCKET, *SITE)
        running = {name for name, unit in shown.items() if _state(unit) not in _ENDED} - {SOCKET}
        # Perhaps an earlier reload wrote a unit's file and failed before systemd read it.
        unread = any(unit["NeedDaemonReload"] == "yes" for unit in shown.values())
        surplus = running - set(_site_units(self.settings))
        return bool(set(self.files) & set(changed) or unread or surplus) or not running

    def restart_all(self) -> None:
        # Stop the units while systemd still knows the files that started them.
        _systemctl("stop", f"{self.service}.service", SOCKET)
        _systemctl("daemon-reload")
        _systemctl("start", f"{self.service}.service")

    def log(self, name: str) -> str:
        return f"`journalctl -u {name}`"


def start(settings: Settings) -> None:
    """Start the units that the settings name; laurel-processes.service runs this.

    Raises LaurelError if the shared socket's port is taken. It does not wait for the processes:
    they are ordered after that service.
    """
    units = [*_site_units(settings), *_procfile_units(settings)]
    shown = _show(SOCKET, *units)
    if any(unit["NeedDaemonReload"] == "yes" for unit in shown.values()):
        _systemctl("daemon-reload")
    if port.address(settings):
        if _state(shown[SOCKET]) in _ENDED:
            port.check(settings)
        _systemctl("start", SOCKET)
    _systemctl("start", "--no-block", *units)
