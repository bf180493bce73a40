"""Vagrant's machine."""

import subprocess
from pathlib import Path

import paramiko

from machine.error import MachineError
from machine.remote import RemoteHost

NAME = "default"
# Where Debian's package and HashiCorp's own have what Vagrant is made of.
GEMS = ("/usr/share/rubygems-integration/all/gems", "/opt/vagrant/embedded/gems/gems")


def vagrant_host(folder: Path) -> RemoteHost:
    """Return the machine of the Vagrantfile in `folder`; its site is reached through SSH.

    Vagrant's own forward of a port ends with the boot, where libvirt runs the machine.

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
    return RemoteHost(
        f"{config['user']}@{config['hostname']}:{config['port']}",
        key=Path(config["identityfile"][0]),
        through_ssh=True,
        known_hosts=False,
    )


def insecure_key() -> Path:
    """Return the private key that opens every box until Vagrant replaces it: its public half is in
    each of them.

    Raises:
        MachineError: Vagrant is not installed.
    """
    found = [path for gems in GEMS for path in Path(gems).glob("vagrant-[0-9]*/keys/vagrant")]
    if not found:
        raise MachineError("vagrant is not installed, whose package has the key (package vagrant)")
    return found[0]
