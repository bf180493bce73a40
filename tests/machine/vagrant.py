"""Vagrant's machine."""

import subprocess
from pathlib import Path

import paramiko

from machine.error import MachineError
from machine.remote import RemoteHost

NAME = "default"
# Vagrant's gems in Debian's package and in HashiCorp's own.
GEMS = ("/usr/share/rubygems-integration/all/gems", "/opt/vagrant/embedded/gems/gems")


def vagrant_host(folder: Path) -> RemoteHost:
    """Return the machine of the Vagrantfile in `folder`.

    The site is reached through SSH, because with libvirt Vagrant's own port forward does not
    survive a reboot.

    Raises:
        MachineError: Vagrant is not installed, or its machine does not run.
    """
    try:
        shown = subprocess.run(
            ["vagrant", "ssh-config", NAME], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise MachineError("vagrant is not installed: run `make vagrant` first") from None
    if shown.returncode:
        reason = (shown.stderr or shown.stdout).strip()
        raise MachineError(f"Vagrant's machine does not run: run `make vagrant` first\n{reason}")
    config = paramiko.SSHConfig.from_text(shown.stdout).lookup(NAME)
    return RemoteHost(
        f"{config['user']}@{config['hostname']}:{config['port']}",
        key=Path(config["identityfile"][0]),
        through_ssh=True,
        known_hosts=False,
    )


def insecure_key() -> Path:
    """Return Vagrant's public "private" key, which opens each box until Vagrant replaces it.

    Raises:
        MachineError: Vagrant is not installed.
    """
    found = [path for gems in GEMS for path in Path(gems).glob("vagrant-[0-9]*/keys/vagrant")]
    if not found:
        raise MachineError("vagrant is not installed, whose package has the key (package vagrant)")
    return found[0]
