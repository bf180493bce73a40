"""OpenStack: its SMBIOS strings, and its metadata, from a service or on a drive.

Sources: "Metadata service" in Nova's user guide, nova/api/metadata/ and
doc/api_schemas/network_data.json in Nova 28.
"""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from uuid import uuid4

from machine.cloud import PUBLIC_IPV4, Cloud, Instance
from machine.drive import Drive
from machine.metadata import Tree, pages_of
from machine.qemu import CLOUD_GATEWAY, CLOUD_NETMASK, CLOUD_RESOLVER

VERSIONS = ("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06",
            "2017-02-22", "2018-08-27", "2020-10-14", "latest")  # fmt: skip
DOMAIN = "novalocal"
KEY_NAME = "laurel"
MTU = 1450  # of a network in VXLAN
DNS = {"address": CLOUD_RESOLVER, "type": "dns"}


class OpenStack(Cloud):
    """An OpenStack whose networks have DHCP and a metadata service."""

    candidates = ("OpenStack", "None")

    def new_identity(self) -> str:
        """Return a UUID that does not begin with "ec2", by which software recognises EC2."""
        return f"0{str(uuid4())[1:]}"

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the system's table."""
        made = "manufacturer=OpenStack Foundation,product=OpenStack Nova,version=28.0.0"
        identity = f"serial={instance.identity},uuid={instance.identity}"
        return [f"type=1,{made},{identity},family=Virtual Machine"]

    def pages(self, instance: Instance) -> Mapping[str, str]:
        """Return the metadata in OpenStack's own layout and in EC2's."""
        ec2: dict[str, str | Tree] = {"meta-data": self._ec2(instance)}
        if instance.user_data is not None:
            ec2["user-data"] = instance.user_data
        openstack: Tree = dict.fromkeys(VERSIONS, self._files(instance))
        pages = pages_of({"openstack": openstack, "latest": ec2})
        return pages | {"/openstack": "\n".join(VERSIONS)}  # versions are listed without a slash

    def _files(self, instance: Instance) -> Mapping[str, str]:
        """Return what the service and the drive have for each version."""
        metadata = {
            "availability_zone": "nova",
            "hostname": _hostname(instance),
            "keys": [{"data": instance.public_key, "name": KEY_NAME, "type": "ssh"}],
            "launch_index": 0,
            "meta": {},
            "name": _name(instance),
            "project_id": "0123456789abcdef0123456789abcdef",
            "public_keys": {KEY_NAME: instance.public_key},
            "random_seed": base64.b64encode(secrets.token_bytes(512)).decode(),
            "uuid": instance.identity,
        }
        files = {
            "meta_data.json": json.dumps(metadata),
            "network_data.json": json.dumps(self._network(instance)),
            "vendor_data.json": "{}",
            "vendor_data2.json": '{"static": {}}',
        }
        return files if instance.user_data is None else {**files, "user_data": instance.user_data}

    def _network(self, instance: Instance) -> Mapping[str, object]:
        link = {
            "ethernet_mac_address": instance.mac,
            "id": "tap01234567-89",
            "mtu": MTU,
            "type": "ovs",
            "vif_id": "01234567-89ab-4cde-8f01-23456789abcd",
        }
        network = {
            "id": "network0",
            "link": link["id"],
            "network_id": "fedcba98-7654-4321-8fed-cba987654321",
            **self._address(instance),
        }
        return {"links": [link], "networks": [network], "services": [DNS]}

    def _address(self, instance: Instance) -> Mapping[str, object]:
        """Return how the instance gets its address."""
        del instance
        return {"type": "ipv4_dhcp"}

    def _ec2(self, instance: Instance) -> Tree:
        return {
            "ami-id": "ami-00000001",
            "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
            "hostname": _hostname(instance),
            "instance-id": "i-00000001",
            "instance-type": "m1.small",
            "local-hostname": _hostname(instance),
            "local-ipv4": instance.address,
            "placement": {"availability-zone": "nova"},
            "public-hostname": _hostname(instance),
            "public-ipv4": PUBLIC_IPV4,
            "public-keys": {f"0={KEY_NAME}": {"openssh-key": instance.public_key}},
        }


class ConfigDrive(OpenStack):
    """An OpenStack whose networks have neither: a drive has everything, the address too."""

    candidates = ("ConfigDrive", "None")
    addresses = ()

    def drive(self, instance: Instance) -> Drive:
        """Return the drive: a CD, Nova's default."""
        # On the drive a key is listed with its number.
        key = {"_name": f"0={KEY_NAME}", "openssh-key": instance.public_key}
        ec2 = {**self._ec2(instance), "public-keys": {"0": key}}
        files = {"ec2/latest/meta-data.json": json.dumps(ec2)}
        if instance.user_data is not None:
            files["ec2/latest/user-data"] = instance.user_data
        openstack = self._files(instance)
        for version in VERSIONS:
            files |= {f"openstack/{version}/{name}": text for name, text in openstack.items()}
        return Drive(kind="cd", label="config-2", files=files)

    def _address(self, instance: Instance) -> Mapping[str, object]:
        default = {"gateway": CLOUD_GATEWAY, "netmask": "0.0.0.0", "network": "0.0.0.0"}
        return {
            "ip_address": instance.address,
            "netmask": CLOUD_NETMASK,
            "routes": [default],
            "services": [DNS],
            "type": "ipv4",
        }


def _name(instance: Instance) -> str:
    return instance.hostname or f"server-{instance.identity}"


def _hostname(instance: Instance) -> str:
    return f"{_name(instance)}.{DOMAIN}"
