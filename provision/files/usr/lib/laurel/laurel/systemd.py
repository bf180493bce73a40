"""systemd: each process is an instance of a unit, such as asgi@0.service; through systemctl."""

import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from laurel import port, procfile
from laurel.errors import LaurelError
from laurel.process import Process, groups
from laurel.settings import Settings

SERVICE = "laurel-processes"
UNITS = Path("/etc/systemd/system")
FILES: Sequence[Path] = (UNITS / "asgi.socket", UNITS / "asgi@.service", UNITS / "wsgi@.service")
PROCFILE = UNITS / "procfile@.service"
HOLDER = "systemd"
SOCKET = "asgi.socket"
OWN = ("asgi@*.service", "wsgi@*.service")  # those that serve the site
OTHERS = "procfile@*.service"

# What systemd calls a state, and supervisor does.
_STATES = {
    "active": "RUNNING",
    "reloading": "RUNNING",
    "activating": "STARTING",
    "deactivating": "STOPPING",
    "inactive": "STOPPED",
    "failed": "FATAL",
}
_RETRIED = "auto-restart"  # the start of a substate
_ENDED = ("STOPPED", "FATAL")
_PROPERTIES = (
    *("Id", "ActiveState", "SubState", "MainPID", "Result"),
    *("ExecMainStartTimestampMonotonic", "NeedDaemonReload"),
)


def _systemctl(*arguments: str) -> str:
    """What it printed. Raises LaurelError with what it said, if it fails."""
    ran = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise LaurelError(f"systemctl {' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout


def _show(*units: str) -> dict[str, dict[str, str]]:
    """The properties of each unit by its name; a pattern stands for those that systemd knows of."""
    told = _systemctl("show", f"--property={','.join(_PROPERTIES)}", *units)
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines()) for block in told.split("\n\n")
    ]
    return {block["Id"]: block for block in blocks if block}


def _state(unit: dict[str, str]) -> str:
    if unit["SubState"].startswith(_RETRIED):
        return "BACKOFF"
    return _STATES.get(unit["ActiveState"], unit["ActiveState"].upper())


def _problem(instance: str, unit: dict[str, str]) -> str:
    """How it ended, unless as it should."""
    return "" if unit["Result"] == "success" else f"({unit['Result']}: see {log(instance)})"


def _running(*patterns: str) -> list[str]:
    """The units that run, or are started or stopped or tried again."""
    return [name for name, unit in _show(*patterns).items() if _state(unit) not in _ENDED]


def _wanted(settings: Settings) -> list[str]:
    """The units that serve the site."""
    return [
        f"{group.name}@{number}.service"
        for group in groups(settings)
        for number in range(settings.processes)
    ]


def _wanted_others(settings: Settings) -> list[str]:
    """The units beside them."""
    return [f"procfile@{name}.service" for name in procfile.names(settings)]


def processes(settings: Settings) -> list[Process]:
    """The site's processes in order, those that do not run and those that are too many, too."""
    known = {group.name: group for group in groups(settings)}
    wanted = _wanted(settings)
    found = []
    for name, unit in _show(*wanted, *OWN).items():
        instance = name.removesuffix(".service")
        group_name, _, number = instance.partition("@")
        state = _state(unit)
        if group_name not in known or not number.isdecimal():
            continue
        if name not in wanted and state in _ENDED:
            continue
        group = known[group_name]
        pid = int(unit["MainPID"])
        started = int(unit["ExecMainStartTimestampMonotonic"]) / 1e6
        found.append(
            Process(
                group=group.name,
                number=int(number),
                name=instance,
                pid=pid,
                state=state,
                uptime=int(time.monotonic() - started) if pid else 0,
                problem=_problem(instance, unit),
                socket=group.socket(int(number)),
            )
        )
    return sorted(found, key=lambda process: (process.group, process.number))


def pids() -> list[int]:
    """The processes that run, of the site and beside it."""
    return [pid for unit in _show(*OWN, OTHERS).values() if (pid := int(unit["MainPID"]))]


def others(settings: Settings) -> list[tuple[str, str]]:
    """The processes beside the site's own, of the Procfile: name and state."""
    wanted = _wanted_others(settings)
    return [
        (name.removesuffix(".service"), state)
        for name, unit in _show(*wanted, OTHERS).items()
        if (state := _state(unit)) not in _ENDED or name in wanted
    ]


def restart_others(settings: Settings) -> None:
    """Stop and start each of them, and stop those that the Procfile has no longer."""
    wanted = _wanted_others(settings)
    if gone := [name for name in _running(OTHERS) if name not in wanted]:
        _systemctl("stop", *gone)
    if wanted:
        _systemctl("restart", *wanted)


def fails_to_start(process: Process) -> bool:
    """Whether `process` ended as it started, and systemd waits before it tries again."""
    (unit,) = _show(f"{process.name}.service").values()
    return _state(unit) == "BACKOFF"


def restart(process: Process) -> None:
    """Stop `process` and start it again; it may not answer yet when this returns."""
    _systemctl("restart", f"{process.name}.service")


def must_restart(settings: Settings, changed: Collection[Path]) -> bool:
    """Whether all must restart at once: `changed` files say so, more run than should, or none."""
    shown = _show(SOCKET, *OWN)
    running = {name for name, unit in shown.items() if _state(unit) not in _ENDED} - {SOCKET}
    # A unit's file that a reload before this one wrote, and did not come to take up.
    unread = any(unit["NeedDaemonReload"] == "yes" for unit in shown.values())
    surplus = running - set(_wanted(settings))
    return bool(set(FILES) & set(changed) or unread or surplus) or not running


def update(settings: Settings) -> None:
    """Take up changed files: all processes stop as what they were started as, and start anew."""
    del settings  # `start` reads them
    _systemctl("stop", f"{SERVICE}.service", SOCKET)
    _systemctl("daemon-reload")
    _systemctl("start", f"{SERVICE}.service")


def update_others(settings: Settings) -> None:
    """Take up a changed file of the processes beside the site's own, and let those be."""
    del settings
    _systemctl("daemon-reload")


def start(settings: Settings) -> None:
    """Start what the settings name, as laurel-processes.service does; the rest of it is systemd's.

    Raises LaurelError if the shared socket can't be had. No process is waited for: each comes
    after that service.
    """
    units = [*_wanted(settings), *_wanted_others(settings)]
    shown = _show(SOCKET, *units)
    if any(unit["NeedDaemonReload"] == "yes" for unit in shown.values()):
        _systemctl("daemon-reload")
    if port.address(settings):
        if _state(shown[SOCKET]) in _ENDED:
            port.check(settings)
        _systemctl("start", SOCKET)
    _systemctl("start", "--no-block", *units)


def log(name: str) -> str:
    """Where to read what the process `name` says."""
    return f"`journalctl -u {name}`"
