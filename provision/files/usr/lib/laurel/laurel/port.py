"""Who holds the TCP port that supervisor is to hand to the processes."""

import re
import socket
import subprocess

ADDRESS = ("127.0.0.1", 8000)


def taken() -> bool:
    """Whether the port can't be bound now."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(ADDRESS)
        except OSError:
            return True
    return False


def holder() -> str:
    """Name and pid of what listens on the port, as root sees it; "" if nothing does."""
    shown = subprocess.run(
        ["ss", "-Hltnp", f"sport = :{ADDRESS[1]}"], capture_output=True, text=True, check=True
    ).stdout
    holders = re.findall(r'"([^"]+)",pid=(\d+)', shown)
    return ", ".join(f"{name} (pid {pid})" for name, pid in holders)
