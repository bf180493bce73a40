"""Instances of one image: what tells them apart, and how they are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from acceptance.settings import SITE_ENV, settings_of
from acceptance.stages import bring_up, settle
from machine import Host, Machine

HOST_KEYS = ("ed25519", "ecdsa")  # those of packer/base/files/etc/cloud/cloud.cfg.d
# Prints the public half of each key, made of the secret one: a name, a type and a body a line.
PUBLIC_KEYS = """
for key in /etc/ssh/ssh_host_*_key; do
    public=$(ssh-keygen -y -f $key) || exit
    echo $key $public
done
"""
STATUS_SECONDS = 600.0
SUPERVISORS = "$(ls -d /etc/supervisor 2>/dev/null)"  # where it is what starts the processes


def start_side_by_side(*machines: Machine) -> None:
    """Power all of them on at the same moment, and wait until each serves."""
    for machine in machines:
        machine.start()
    for machine in machines:
        bring_up(machine, lambda: None)
    for machine in machines:
        settle_here(machine)


def settle_here(machine: Host) -> None:
    """Wait until a machine that one can log in to serves and starts nothing any more."""
    settle(machine, settings_of(machine)["HEALTH_PATH"])


def lines_of(machine: Host, key: str) -> list[str]:
    """The values that the machine's settings give `key`, one for each line that does."""
    text = machine.succeed(f"cat {SITE_ENV}")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@dataclass(frozen=True)
class Identity:
    """What no two instances share: SSH host keys by their files, and the rest."""

    host_keys: Mapping[str, str]
    machine_id: str
    secret_key: str
    hostname: str
    dhcp: str


def identity_of(machine: Host) -> Identity:
    """What the machine is known by. Raises AssertionError where it has none, or two."""
    lines = machine.succeed(PUBLIC_KEYS).splitlines()
    keys = {name: body for name, _type, body, *_comment in map(str.split, lines)}
    assert len(keys) >= len(HOST_KEYS), keys
    (secret_key,) = lines_of(machine, "SECRET_KEY")
    return Identity(
        host_keys=keys,
        machine_id=machine.succeed("cat /etc/machine-id").strip(),
        secret_key=secret_key,
        hostname=machine.succeed("hostname").strip(),
        dhcp=_dhcp_identity(machine),
    )


def _dhcp_identity(machine: Host) -> str:
    """What it calls itself to a DHCP server, less what stands for the card: 4 bytes of RFC 4361."""
    told = machine.succeed("grep -h ^CLIENTID= /run/systemd/netif/leases/*")
    (client_id,) = re.findall(r"^CLIENTID=ff[0-9a-f]{8}([0-9a-f]+)$", told, re.MULTILINE)
    return str(client_id)


def faults_of(machine: Host, *, settings: Mapping[str, str]) -> list[str]:
    """What an instance has not that every first boot ends with, whatever happened on the way.

    `settings` is what its user-data gave, by name.
    """
    found = []
    for what, command in {
        "laurel status": "laurel status",
        "unapplied migrations": "laurel manage migrate --check",
        "no machine-id of its own": "grep -qxE '[0-9a-f]{32}' /etc/machine-id",
        "a machine-id that the next boot forgets": "! findmnt /etc/machine-id",
        **{
            f"no whole {kind} host key": f"ssh-keygen -y -f /etc/ssh/ssh_host_{kind}_key"
            f" | cut -d' ' -f1,2 | grep -qFf- /etc/ssh/ssh_host_{kind}_key.pub"
            for kind in HOST_KEYS
        },
        "another owner or mode of the settings": "[ \"$(stat -c '%U:%G %a'"
        f' {SITE_ENV})" = "root:site 640" ]',
    }.items():
        ended = machine.execute(command, timeout=STATUS_SECONDS)
        if ended.status:
            found.append(f"{what}: {ended.stdout}{ended.stderr}".strip())
    for what, command in {
        "failed units": "systemctl list-units --state=failed --plain --no-legend",
        # What is written beside a file before it takes its name, see laurel.files.
        "half-made files": "find /etc/laurel /etc/nginx /run/laurel"
        f" {SUPERVISORS} -type f -name '.*'; find /var/lib/site -maxdepth 1 -name '*-journal'",
        "empty files": "find /etc/laurel /etc/ssh /etc/nginx/sites-available"
        f" /var/lib/cloud/data {SUPERVISORS} -type f -size 0 ! -name project.env",
    }.items():
        told = machine.succeed(command).strip()
        if told:
            found.append(f"{what}: {told}")
    keys = lines_of(machine, "SECRET_KEY")
    if [len(key) for key in keys] != [50]:
        found.append(f"{len(keys)} lines SECRET_KEY, of {[len(key) for key in keys]} characters")
    found += [
        f"{name} of the user-data is {lines_of(machine, name)}, not {value}"
        for name, value in settings.items()
        if lines_of(machine, name) != [value]
    ]
    return found
