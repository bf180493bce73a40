"""Hetzner Cloud: its SMBIOS strings and its metadata service.

The answers are those of "Server Metadata" in Hetzner's API reference, and what cloud-init reads
besides. Hetzner's DHCP hands out the public address as the only one of its network (/32), with a
gateway outside of it, 172.31.1.1; QEMU's gives the address that this cloud says is public with the
mask of QEMU's network. An IPv6 network, which Hetzner gives each server, is left out.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from machine.cloud import Cloud, Instance
from machine.metadata import Answer, Question, Service
from machine.qemu import CLOUD_ADDRESS, CLOUD_RESOLVER

TOP = "/hetzner/v1"


@dataclass(frozen=True, kw_only=True)
class Hetzner(Cloud):
    """Hetzner Cloud, in one of its zones.

    Attributes:
        zone: the availability zone's name.
    """

    zone: str = "fsn1-dc14"

    datasource = "Hetzner"
    disk_bus = "virtio-scsi"

    @property
    def public(self) -> Sequence[str]:
        """Return the address that its card has."""
        return (CLOUD_ADDRESS,)

    def new_identity(self) -> str:
        """Return a server's number."""
        return str(40_000_000 + secrets.randbelow(60_000_000))

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the system's table; its serial number is the server's, or cloud-init gives up."""
        fields = (
            f"product=vServer,version=20171111,serial={instance.identity},family=Hetzner_vServer"
        )
        return [f"type=1,manufacturer=Hetzner,{fields}"]

    def service(self, instance: Instance) -> Service:
        """Return the server's metadata service."""
        return _Service(self._metadata(instance), instance.user_data or "")

    def _metadata(self, instance: Instance) -> Mapping[str, Any]:
        # No server is made without a name.
        hostname = instance.hostname or "debian-4gb-fsn1-1"
        return {
            "availability-zone": self.zone,
            "hostname": hostname,
            "instance-id": int(instance.identity),
            "local-ipv4": "",
            "network-config": {
                "config": [
                    {
                        "mac_address": instance.mac,
                        "name": "eth0",
                        "subnets": [
                            {"dns_nameservers": [CLOUD_RESOLVER], "ipv4": True, "type": "dhcp"},
                        ],
                        "type": "physical",
                    }
                ],
                "version": 1,
            },
            "network-sysconfig": (
                f"DEVICE='eth0'\nTYPE=Ethernet\nBOOTPROTO=dhcp\nONBOOT='yes'\n"
                f"HWADDR={instance.mac}\nDNS1={CLOUD_RESOLVER}\n"
            ),
            "public-ipv4": instance.address,
            "public-keys": [instance.public_key],
            "region": "eu-central",
            "vendor_data": _vendor_data(hostname),
        }


def _vendor_data(hostname: str) -> str:
    """What Hetzner would have cloud-init do on a server of any image, a user's own too.

    With it the user's key opens root and not the image's default user.
    """
    config = {
        "fqdn": hostname,
        "manage_etc_hosts": True,
        "system_info": {
            "default_user": {"lock_passwd": True, "name": "root", "shell": "/bin/bash"},
        },
    }
    return "#cloud-config\n" + json.dumps(config, indent=2) + "\n"


@dataclass(frozen=True)
class _Service:
    """Answers for one server: everything at once, as YAML, and each thing by itself."""

    metadata: Mapping[str, Any]
    user_data: str

    def __call__(self, question: Question) -> Answer:
        text = self._text(question.path)
        if text is None:
            return Answer(status=404)
        if question.method not in ("GET", "HEAD"):
            return Answer(status=405)
        return Answer(status=200, text=text)

    def _text(self, path: str) -> str | None:
        """What is at `path`; None if nothing is."""
        if path == f"{TOP}/userdata":
            return self.user_data
        if path == f"{TOP}/metadata":
            return "".join(
                f"{name}: {json.dumps(value)}\n" for name, value in self.metadata.items()
            )
        name = path.removeprefix(f"{TOP}/metadata/")
        if name == "private-networks":  # told by itself alone
            return "[]\n"
        if name == path or name not in self.metadata:
            return None
        value = self.metadata[name]
        return value if isinstance(value, str) else json.dumps(value)
