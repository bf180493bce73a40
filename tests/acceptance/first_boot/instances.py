"""Instances of one image: their identity, and their faults."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from acceptance.settings import SITE_ENV, settings_of
from acceptance.stages import bring_up, settle
from machine import Host, Machine

HOST_KEYS = ("ed25519", "ecdsa")  # those of packer/base/files/etc/cloud/cloud.cfg.d
# Prints the public key of each host key, derived from the private one: file, type and body.
PUBLIC_KEYS = """
for key in /etc/ssh/ssh_host_*_key; do
    public=$(ssh-keygen -y -f $key) || exit
    echo $key $public
done
"""
STATUS_SECONDS = 600.0
SUPERVISORS = "$(ls -d /etc/supervisor 2>/dev/null)"  # only with supervisor as process manager


def start_side_by_side(*machines: Machine) -> None:
    """Power on all machines at the same moment, and wait until each serves."""
    for machine in machines:
        machine.start()
    for machine in machines:
        bring_up(machine, lambda: None)
    for machine in machines:
        settle_here(machine)


def settle_here(machine: Host) -> None:
    """Wait until a machine that accepts logins serves, and has started all its units."""
    settle(machine, settings_of(machine)["HEALTH_PATH"])


def lines_of(machine: Host, key: str) -> list[str]:
    """Return the values of `key` in site.env, one for each of its lines."""
    text = machine.succeed(f"cat {SITE_ENV}")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@dataclass(frozen=True)
class Identity:
    """What no two instances share; `host_keys` are by file."""

    host_keys: Mapping[str, str]
    machine_id: str
    secret_key: str
    hostname: str
    dhcp: str


def identity_of(machine: Host) -> Identity:
    """Return the machine's identity. Raises AssertionError if a part is missing or ambiguous."""
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
    """Return the DHCP client identifier without its first 4 bytes for the card, see RFC 4361."""
    leases = machine.succeed("grep -h ^CLIENTID= /run/systemd/netif/leases/*")
    (client_id,) = re.findall(r"^CLIENTID=ff[0-9a-f]{8}([0-9a-f]+)$", leases, re.MULTILINE)
    return str(client_id)


def faults_of(machine: Host, *, settings: Mapping[str, str]) -> list[str]:
    """Return what is wrong with an instance after its first boot, whatever happened during it.

    `settings` are those of its user-data, by name.
    """
    found = []
    for what, command in {
        "laurel status": "laurel status",
        "unapplied migrations": "laurel manage migrate --check",
        "no machine-id of its own": "grep -qxE '[0-9a-f]{32}' /etc/machine-id",
        "a machine-id that is lost at the next boot": "! findmnt /etc/machine-id",
        **{
            f"no whole {kind} host key": f"ssh-keygen -y -f /etc/ssh/ssh_host_{kind}_key"
            f" | cut -d' ' -f1,2 | grep -qFf- /etc/ssh/ssh_host_{kind}_key.pub"
            for kind in HOST_KEYS
        },
        "wrong owner or mode of site.env": "[ \"$(stat -c '%U:%G %a'"
        f' {SITE_ENV})" = "root:site 640" ]',
    }.items():
        ended = machine.execute(command, timeout=STATUS_SECONDS)
        if ended.status:
            found.append(f"{what}: {ended.stdout}{ended.stderr}".strip())
    for what, command in {
        "failed units": "systemctl list-units --state=failed --plain --no-legend",
        # laurel.files writes a file under a temporary name first.
        "half-made files": "find /etc/laurel /etc/nginx /run/laurel"
        f" {SUPERVISORS} -type f -name '.*'; find /var/lib/site -maxdepth 1 -name '*-journal'",
        "empty files": "find /etc/laurel /etc/ssh /etc/nginx/sites-available"
        f" /var/lib/cloud/data {SUPERVISORS} -type f -size 0 ! -name project.env",
    }.items():
        output = machine.succeed(command).strip()
        if output:
            found.append(f"{what}: {output}")
    keys = lines_of(machine, "SECRET_KEY")
    if [len(key) for key in keys] != [50]:
        found.append(
            f"SECRET_KEY has {len(keys)} lines, of {[len(key) for key in keys]} characters"
        )
    found += [
        f"{name} is {lines_of(machine, name)} instead of {value}, as in the user-data"
        for name, value in settings.items()
        if lines_of(machine, name) != [value]
    ]
    return found
