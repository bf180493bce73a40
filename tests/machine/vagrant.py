"""Where Vagrant's machine is."""

import subprocess
from pathlib import Path

import paramiko

from machine.error import MachineError
from machine.ssh import Login

NAME = "default"


def vagrant_login(folder: Path) -> Login:
    """Return how to log in to the machine of the Vagrantfile in `folder`.

    Raises:
        MachineError: Vagrant is not installed, or no machine of it runs.
    """
    try:
        shown = subprocess.run(
            ["vagrant", "ssh-config", NAME], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise MachineError("vagrant is not installed: run `make vagrant` first") from None
    if shown.returncode:
        told = (shown.stderr or shown.stdout).strip()
        raise MachineError(f"Vagrant's machine does not run: run `make vagrant` first\n{told}")
    config = paramiko.SSHConfig.from_text(shown.stdout).lookup(NAME)
    return Login(
        address=config["hostname"],
        port=int(config["port"]),
        user=config["user"],
        key=Path(config["identityfile"][0]),
        known_hosts=False,
    )
