"""The TCP socket that all processes of the ASGI server share, and who else holds its port."""

import errno
import os
import re
import socket
import subprocess

from laurel import servers
from laurel.errors import LaurelError
from laurel.settings import Settings


def address(settings: Settings) -> tuple[str, int] | None:
    """Address and port of the shared socket; None if the server does not take one."""
    if not servers.read(settings.get("ASGI_SERVER")).shares:
        return None
    return settings.get("BIND_ADDRESS"), int(settings.get("BIND_PORT"))


def check(settings: Settings, own: str = "") -> None:
    """Raise LaurelError if the shared socket can't be bound, unless the program `own` holds it."""
    wanted = address(settings)
    problem = _bind_error(wanted) if wanted else None
    if wanted is None or problem is None:
        return
    where = f"{wanted[0]}:{wanted[1]}"
    if problem != errno.EADDRINUSE:
        raise LaurelError(
            f"{where} can't be used ({os.strerror(problem)}): set BIND_ADDRESS to an address of"
            " this machine, BIND_PORT to a free port"
        )
    found = holders(wanted[1])
    if own not in dict(found):
        raise LaurelError(
            f"{where} is taken by {describe(found) or 'a program'}:"
            " the site's processes need it; stop that program"
        )


def _bind_error(wanted: tuple[str, int]) -> int | None:
    """The errno of an attempt to bind `wanted`; None if that succeeds."""
    with socket.socket() as trial:
        # As supervisord and systemd do: connections in TIME_WAIT do not hold the port.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(wanted)
        except OSError as error:
            return error.errno
    return None


def holders(port: int) -> list[tuple[str, str]]:
    """Name and pid of each program that listens on `port`; only root sees those of other users."""
    shown = subprocess.run(
        ["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=True
    ).stdout
    return re.findall(r'"([^"]+)",pid=(\d+)', shown)


def describe(found: list[tuple[str, str]]) -> str:
    """The programs `found`, as an error names them."""
    return ", ".join(f"{name} (pid {pid})" for name, pid in found)
