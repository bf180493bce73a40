"""Hetzner Cloud: its SMBIOS strings and its metadata service.

Source: "Server Metadata" in Hetzner's API reference, and what cloud-init reads besides. Hetzner's
DHCP gives a server its public address as a network of its own (/32), with the gateway 172.31.1.1
outside of it; QEMU's gives an address of QEMU's network. The IPv6 network that each server has is
left out.
"""

import json
import secrets
from collections.abc import Mapping, Sequence

from machine.cloud import Cloud, Instance
from machine.qemu import CLOUD_ADDRESS, CLOUD_RESOLVER

TOP = "/hetzner/v1"


class Hetzner(Cloud):
    """Hetzner Cloud, where the network card has the public address."""

    candidates = ("Hetzner", "None")
    public = (CLOUD_ADDRESS,)
    disk_bus = "virtio-scsi"

    def new_identity(self) -> str:
        """Return a server's number."""
        return str(40_000_000 + secrets.randbelow(60_000_000))

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the system's table; cloud-init takes the server's number from it."""
        product = "product=vServer,version=20171111,family=Hetzner_vServer"
        return [f"type=1,manufacturer=Hetzner,{product},serial={instance.identity}"]

    def pages(self, instance: Instance) -> Mapping[str, str]:
        """Return all metadata as YAML, some of them separately, and the user-data."""
        hostname = instance.hostname or "debian-4gb-fsn1-1"
        subnet = {"dns_nameservers": [CLOUD_RESOLVER], "ipv4": True, "type": "dhcp"}
        card = {
            "mac_address": instance.mac,
            "name": "eth0",
            "subnets": [subnet],
            "type": "physical",
        }
        metadata = {
            "availability-zone": "fsn1-dc14",
            "hostname": hostname,
            "instance-id": int(instance.identity),
            "local-ipv4": "",
            "network-config": {"config": [card], "version": 1},
            "public-ipv4": instance.address,
            "public-keys": [instance.public_key],
            "region": "eu-central",
            "vendor_data": _vendor_data(hostname),
        }
        return {
            f"{TOP}/metadata": "".join(
                f"{name}: {json.dumps(value)}\n" for name, value in metadata.items()
            ),
            f"{TOP}/metadata/instance-id": instance.identity,
            f"{TOP}/userdata": instance.user_data or "",
        }


def _vendor_data(hostname: str) -> str:
    """Return the vendor data that a server of any image gets, even a user's own image.

    They make root the default user, so that the user's key opens root.
    """
    config = {
        "fqdn": hostname,
        "manage_etc_hosts": True,
        "system_info": {
            "default_user": {"lock_passwd": True, "name": "root", "shell": "/bin/bash"},
        },
    }
    return "#cloud-config\n" + json.dumps(config, indent=2) + "\n"
