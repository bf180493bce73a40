"""Who holds the TCP socket that all processes of the ASGI server are to share."""

import errno
import os
import re
import socket
import subprocess

from laurel import servers
from laurel.errors import LaurelError
from laurel.settings import Settings


def address(settings: Settings) -> tuple[str, int] | None:
    """Its address and port; None where the server takes no part in one."""
    if not servers.read(settings.get("ASGI_SERVER")).shares:
        return None
    return settings.get("BIND_ADDRESS"), int(settings.get("BIND_PORT"))


def refused(wanted: tuple[str, int]) -> int | None:
    """The error's number with which an address and port can't be bound now; None if they can."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(wanted)
        except OSError as error:
            return error.errno
    return None


def check(settings: Settings, own: str = "") -> None:
    """Raise LaurelError with why the processes can't have it; what the program `own` holds, they
    have already."""
    wanted = address(settings)
    problem = refused(wanted) if wanted else None
    if wanted is None or problem is None:
        return
    if problem != errno.EADDRINUSE:
        raise LaurelError(
            f"{wanted[0]}:{wanted[1]} can't be had ({os.strerror(problem)}): BIND_ADDRESS is an"
            " address of this machine, BIND_PORT a free port"
        )
    who = holder(wanted[1])
    if not own or not names(who, own):
        raise LaurelError(
            f"{wanted[0]}:{wanted[1]} is taken by {who or 'a program'}:"
            " the site's processes need it; stop that program"
        )


def names(who: str, program: str) -> bool:
    """Whether `who`, as `holder` tells it, names `program`."""
    # By its whole name: systemd-resolved is another than systemd.
    return f", {program} (" in f", {who}"


def holder(port: int) -> str:
    """Name and pid of what listens on `port`, as root sees it; "" if nothing does."""
    shown = subprocess.run(
        ["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=True
    ).stdout
    holders = re.findall(r'"([^"]+)",pid=(\d+)', shown)
    return ", ".join(f"{name} (pid {pid})" for name, pid in holders)
