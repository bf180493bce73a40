"""DigitalOcean: a droplet of a custom image, its config drive and its metadata service.

The drive is as seen on such droplets: ISO 9660 with the label config-2, with the service's metadata
in one file and three times in OpenStack's layout. From it cloud-init learns everything and sets a
static address, as DigitalOcean recommends; its datasource for the service is deprecated. On a
droplet the drive is a virtio disk, /dev/vdb; here it is a CD.

Source of the service: DigitalOcean Metadata API Reference.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from machine.cloud import Cloud, Instance
from machine.drive import Drive
from machine.qemu import CLOUD_ADDRESS, CLOUD_GATEWAY, CLOUD_RESOLVER

REGION = "fra1"
NETMASK = "255.255.0.0"
# The folders of the drive's OpenStack layout; OpenStack itself has no second one.
VERSIONS = ("2012-08-10", "2015-10-16", "latest")
VENDOR_DATA = "#cloud-config\ndisable_root: false\nmanage_etc_hosts: true\n"


class DigitalOcean(Cloud):
    """DigitalOcean, where the network card has the public address."""

    candidates: Sequence[str] = ("ConfigDrive", "DigitalOcean", "None")
    public = (CLOUD_ADDRESS,)

    def new_identity(self) -> str:
        """Return a droplet's number."""
        return str(300_000_000 + secrets.randbelow(200_000_000))

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the system's table; its serial number is the droplet's."""
        names = "manufacturer=DigitalOcean,product=Droplet,family=DigitalOcean_Droplet"
        return [f"type=1,{names},version=20171212,serial={instance.identity}"]

    def drive(self, instance: Instance) -> Drive | None:
        """Return the config drive."""
        metadata = {
            "availability_zone": REGION,
            "hostname": _hostname(instance),
            "instance_id": instance.identity,
            "public_keys": {"0": instance.public_key},
            "uuid": instance.identity,
        }
        openstack = {
            "meta_data.json": json.dumps(metadata),
            "network_data.json": json.dumps(_network_data(instance)),
            "user_data": instance.user_data or "",
            "vendor_data.json": json.dumps({"cloud-init": VENDOR_DATA}),
        }
        files = {"digitalocean_meta_data.json": json.dumps(_metadata(instance))}
        for version in VERSIONS:
            files |= {f"openstack/{version}/{name}": text for name, text in openstack.items()}
        return Drive(kind="cd", label="config-2", files=files)

    def pages(self, instance: Instance) -> Mapping[str, str]:
        """Return all metadata in one document, and the host name separately."""
        return {
            "/metadata/v1.json": json.dumps(_metadata(instance)),
            "/metadata/v1/hostname": _hostname(instance),
        }


class DigitalOceanWithoutDrive(DigitalOcean):
    """DigitalOcean with an image that cannot read the drive: cloud-init asks the service.

    It does so over a link-local address of its own choice, before it has another one.
    """

    candidates = ("DigitalOcean", "None")
    complaints = ("DataSourceDigitalOcean is deprecated",)

    def drive(self, instance: Instance) -> None:
        """Return no drive."""
        del instance


def _hostname(instance: Instance) -> str:
    return instance.hostname or f"debian-s-1vcpu-512mb-10gb-{REGION}-01"


def _metadata(instance: Instance) -> Mapping[str, Any]:
    ipv4 = {"ip_address": instance.address, "netmask": NETMASK, "gateway": CLOUD_GATEWAY}
    card = {"ipv4": ipv4, "mac": instance.mac, "type": "public"}
    user_data = {} if instance.user_data is None else {"user_data": instance.user_data}
    return {
        "droplet_id": int(instance.identity),
        "hostname": _hostname(instance),
        **user_data,
        "vendor_data": VENDOR_DATA,
        "public_keys": [instance.public_key],
        "region": REGION,
        "interfaces": {"public": [card]},
        "dns": {"nameservers": [CLOUD_RESOLVER]},
    }


def _network_data(instance: Instance) -> Mapping[str, Any]:
    """Return the network in OpenStack's form; cloud-init finds the card by its address."""
    link = {
        "ethernet_mac_address": instance.mac,
        "id": "interface0",
        "mtu": 1500,
        "type": "phy",
    }
    network = {
        "id": "network0",
        "ip_address": instance.address,
        "link": link["id"],
        "netmask": NETMASK,
        "routes": [{"gateway": CLOUD_GATEWAY, "netmask": "0.0.0.0", "network": "0.0.0.0"}],
        "type": "ipv4",
    }
    dns = {"address": CLOUD_RESOLVER, "type": "dns"}
    return {"links": [link], "networks": [network], "services": [dns]}
