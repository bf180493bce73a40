"""Running programs of this host."""

import os
import subprocess
from pathlib import Path

from machine.error import MachineError


def run(*command: str | Path) -> str:
    """Run a program to its end and return its stdout.

    Raises:
        MachineError: the program is not installed, or it failed; with its stderr.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment()
        )
    except FileNotFoundError as error:
        raise MachineError(f"{command[0]} is not installed") from error
    if done.returncode != 0:
        line = " ".join(str(word) for word in command)
        raise MachineError(f"`{line}` failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def environment() -> dict[str, str]:
    """Return this process's environment, with /usr/sbin on PATH, where Debian has mkfs.vfat."""
    return os.environ | {"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
