"""DigitalOcean: a droplet of a custom image, its config drive and its metadata service.

The drive is what such droplets were seen to have: an ISO 9660 file system with the label config-2,
with the metadata as the service gives them beside three times the same in OpenStack's layout. By it
cloud-init knows all, asks for nothing, and sets a static address, as DigitalOcean recommends; its
datasource for the service is deprecated. There the drive is a virtio disk, /dev/vdb; here a CD.

The service's answers are those of the DigitalOcean Metadata API Reference. Such a droplet gets no
anchor address.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from machine.cloud import Cloud, Instance
from machine.drive import Drive
from machine.metadata import Answer, Question, Service
from machine.qemu import CLOUD_ADDRESS, CLOUD_GATEWAY, CLOUD_RESOLVER

TOP = "/metadata/v1"
NETMASK = "255.255.0.0"
# Of the layout that the drive follows; the second is no version that OpenStack has.
VERSIONS = ("2012-08-10", "2015-10-16", "latest")
VENDOR_DATA = "#cloud-config\ndisable_root: false\nmanage_etc_hosts: true\n"

Tree = Mapping[str, Union[str, "Tree"]]


@dataclass(frozen=True, kw_only=True)
class DigitalOcean(Cloud):
    """DigitalOcean, in one of its regions.

    Attributes:
        region: its name.
        reserved_ipv4: a further address, which leads to the droplet; of RFC 5737's, which nobody
            has. cloud-init learns nothing of it.
    """

    region: str = "fra1"
    reserved_ipv4: str = "203.0.113.26"

    datasource = "ConfigDrive"

    @property
    def candidates(self) -> Sequence[str]:
        """Return the drive, and what is tried where it can't be read."""
        return "ConfigDrive", "DigitalOcean", "None"

    @property
    def public(self) -> Sequence[str]:
        """Return the address that its card has."""
        return (CLOUD_ADDRESS,)

    def new_identity(self) -> str:
        """Return a droplet's number."""
        return str(300_000_000 + secrets.randbelow(200_000_000))

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the system's table; its serial number is the droplet's."""
        names = "manufacturer=DigitalOcean,product=Droplet,family=DigitalOcean_Droplet"
        return [f"type=1,{names},version=20171212,serial={instance.identity}"]

    def drive(self, instance: Instance) -> Drive | None:
        """Return the config drive."""
        openstack = {
            "meta_data.json": json.dumps(
                {
                    "availability_zone": self.region,
                    "hostname": self._hostname(instance),
                    "instance_id": instance.identity,
                    "public_keys": {"0": instance.public_key},
                    "uuid": instance.identity,
                }
            ),
            "network_data.json": json.dumps(_network_data(instance)),
            "user_data": instance.user_data or "",
            "vendor_data.json": json.dumps({"cloud-init": VENDOR_DATA}),
        }
        return Drive(
            kind="cd",
            label="config-2",
            files={"digitalocean_meta_data.json": json.dumps(self._metadata(instance))}
            | {
                f"openstack/{version}/{name}": text
                for version in VERSIONS
                for name, text in openstack.items()
            },
        )

    def service(self, instance: Instance) -> Service:
        """Return the droplet's metadata service."""
        metadata = self._metadata(instance)
        return _Service(json.dumps(metadata), _tree(metadata))

    def _hostname(self, instance: Instance) -> str:
        """Its name, without which no droplet is made."""
        return instance.hostname or f"debian-s-1vcpu-512mb-10gb-{self.region}-01"

    def _metadata(self, instance: Instance) -> Mapping[str, Any]:
        """What /metadata/v1.json holds."""
        user_data = {} if instance.user_data is None else {"user_data": instance.user_data}
        return {
            "droplet_id": int(instance.identity),
            "hostname": self._hostname(instance),
            **user_data,
            "vendor_data": VENDOR_DATA,
            "public_keys": [instance.public_key],
            "region": self.region,
            "interfaces": {
                "public": [
                    {
                        "ipv4": {
                            "ip_address": instance.address,
                            "netmask": NETMASK,
                            "gateway": CLOUD_GATEWAY,
                        },
                        "mac": instance.mac,
                        "type": "public",
                    }
                ],
            },
            "floating_ip": {"ipv4": {"ip_address": self.reserved_ipv4, "active": True}},
            "reserved_ip": {"ipv4": {"ip_address": self.reserved_ipv4, "active": True}},
            "dns": {"nameservers": [CLOUD_RESOLVER]},
            "tags": None,
            "features": {"dhcp_enabled": True},
        }


@dataclass(frozen=True, kw_only=True)
class DigitalOceanWithoutDrive(DigitalOcean):
    """The same, for an image that can't read the drive: cloud-init asks the service.

    It does so before it has any address but a link-local one that it makes up itself.
    """

    datasource = "DigitalOcean"
    complaints = ("DataSourceDigitalOcean is deprecated",)

    @property
    def candidates(self) -> Sequence[str]:
        """Return the service alone."""
        return "DigitalOcean", "None"

    def drive(self, instance: Instance) -> Drive | None:
        """Return none."""
        del instance
        return None


def _network_data(instance: Instance) -> Mapping[str, Any]:
    """The network as OpenStack describes one: cloud-init finds the card by its address."""
    return {
        "links": [
            {
                "ethernet_mac_address": instance.mac,
                "id": "interface0",
                "mtu": 1500,
                "type": "phy",
            }
        ],
        "networks": [
            {
                "id": "network0",
                "ip_address": instance.address,
                "link": "interface0",
                "netmask": NETMASK,
                "routes": [
                    {"gateway": CLOUD_GATEWAY, "netmask": "0.0.0.0", "network": "0.0.0.0"},
                ],
                "type": "ipv4",
            }
        ],
        "services": [{"address": CLOUD_RESOLVER, "type": "dns"}],
    }


def _tree(metadata: Mapping[str, Any]) -> Tree:
    """The metadata as the service's single endpoints."""
    (card,) = metadata["interfaces"]["public"]
    reserved = metadata["reserved_ip"]["ipv4"]
    ipv4: Tree = {"active": str(reserved["active"]).lower(), "ip_address": reserved["ip_address"]}
    user_data = {"user-data": metadata["user_data"]} if "user_data" in metadata else {}
    return {
        "id": str(metadata["droplet_id"]),
        "hostname": metadata["hostname"],
        **user_data,
        "vendor-data": metadata["vendor_data"],
        "public-keys": "\n".join(metadata["public_keys"]),
        "region": metadata["region"],
        "interfaces": {
            "public": {
                "0": {
                    "mac": card["mac"],
                    "type": card["type"],
                    "ipv4": {
                        "address": card["ipv4"]["ip_address"],
                        "netmask": card["ipv4"]["netmask"],
                        "gateway": card["ipv4"]["gateway"],
                    },
                }
            }
        },
        "dns": {"nameservers": "\n".join(metadata["dns"]["nameservers"])},
        "floating_ip": {"ipv4": ipv4},
        "reserved_ip": {"ipv4": ipv4},
        "tags": {},
        "features": {name: str(value).lower() for name, value in metadata["features"].items()},
    }


@dataclass(frozen=True)
class _Service:
    """Answers for one droplet: everything at once, and each thing by itself."""

    document: str
    tree: Tree

    def __call__(self, question: Question) -> Answer:
        path = question.path
        node = self.document if path == f"{TOP}.json" else self._node(path)
        if node is None:
            return Answer(status=404)
        if question.method not in ("GET", "HEAD"):
            return Answer(status=405)
        if isinstance(node, str):
            return Answer(status=200, text=node)
        if not path.endswith("/"):
            return Answer(status=301, headers={"Location": f"{path}/"})
        lines = [name if isinstance(below, str) else f"{name}/" for name, below in node.items()]
        return Answer(status=200, text="\n".join(lines))

    def _node(self, path: str) -> str | Tree | None:
        """What is at `path`; None if nothing is."""
        top, _, below = path.partition(TOP)
        if top or not path.startswith(TOP) or below[:1] not in ("", "/"):
            return None
        node: str | Tree = self.tree
        for name in below.strip("/").split("/") if below.strip("/") else ():
            if isinstance(node, str) or name not in node:
                return None
            node = node[name]
        return None if isinstance(node, str) and path.endswith("/") else node
