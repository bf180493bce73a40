"""The one door to programs of this host."""

import os
import subprocess
from pathlib import Path

from machine.error import MachineError


def run(*command: str | Path) -> str:
    """Run a program to its end and return what it wrote on stdout.

    Raises:
        MachineError: it is not installed, or it failed; with what it wrote on stderr.
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
    """This process's; Debian keeps mkfs.vfat in a folder that is not on an ordinary user's PATH."""
    return os.environ | {"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
