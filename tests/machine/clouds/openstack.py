"""OpenStack: its SMBIOS strings, and its metadata, by a service or on a drive.

The answers are those of "Metadata service" in Nova's user guide, of nova/api/metadata/ and of
doc/api_schemas/network_data.json in Nova 28.
"""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from machine.cloud import Cloud, Instance
from machine.clouds.tree import Tree, text_at
from machine.drive import Drive
from machine.metadata import Answer, Question, Service
from machine.qemu import CLOUD_GATEWAY, CLOUD_NETMASK, CLOUD_RESOLVER

EC2_VERSIONS = ("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15",
                "2008-02-01", "2008-09-01", "2009-04-04", "latest")  # fmt: skip
VERSIONS = ("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06",
            "2017-02-22", "2018-08-27", "2020-10-14", "latest")  # fmt: skip
SINCE = {
    "password": "2013-04-04",
    "vendor_data.json": "2013-10-17",
    "network_data.json": "2015-10-15",
    "vendor_data2.json": "2016-10-06",
}
PASSWORD_PATHS = [f"/openstack/{version}/password" for version in VERSIONS[1:]]
KEY_NAME = "laurel"
MTU = 1450  # of a network in VXLAN


@dataclass(frozen=True, kw_only=True)
class OpenStack(Cloud):
    """An OpenStack whose networks have DHCP and a metadata service.

    Attributes:
        floating_ipv4: the instance's address on the internet; of RFC 5737's, which nobody has.
        domain: what every host name ends with.
    """

    floating_ipv4: str = "203.0.113.25"
    domain: str = "novalocal"

    datasource = "OpenStack"

    @property
    def public(self) -> Sequence[str]:
        """Return its address: it has no name on the internet."""
        return (self.floating_ipv4,)

    def new_identity(self) -> str:
        """Return a UUID, and none of those by which a machine believes to be on EC2."""
        return f"0{str(uuid4())[1:]}"

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the system's table."""
        made = "manufacturer=OpenStack Foundation,product=OpenStack Nova,version=28.0.0"
        told = f"serial={instance.identity},uuid={instance.identity},family=Virtual Machine"
        return [f"type=1,{made},{told}"]

    def service(self, instance: Instance) -> Service:
        """Return the instance's metadata service, of its own kind and of EC2's."""
        files = _files(self._metadata(instance), self._network(instance), instance.user_data)
        ec2: dict[str, str | Tree] = {"meta-data": self._ec2(instance)}
        if instance.user_data is not None:
            ec2["user-data"] = instance.user_data
        return _Service(files, ec2)

    def _hostname(self, instance: Instance) -> str:
        return f"{instance.hostname or f'server-{instance.identity}'}.{self.domain}"

    def _metadata(self, instance: Instance) -> Mapping[str, object]:
        return {
            "availability_zone": "nova",
            "dedicated_cpus": [],
            "devices": [],
            "hostname": self._hostname(instance),
            "keys": [{"data": instance.public_key, "name": KEY_NAME, "type": "ssh"}],
            "launch_index": 0,
            "meta": {},
            "name": instance.hostname or f"server-{instance.identity}",
            "project_id": "0123456789abcdef0123456789abcdef",
            "public_keys": {KEY_NAME: instance.public_key},
            "random_seed": base64.b64encode(secrets.token_bytes(512)).decode(),
            "uuid": instance.identity,
        }

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
        return {"links": [link], "networks": [network], "services": [_dns()]}

    def _address(self, instance: Instance) -> Mapping[str, object]:
        """How the instance gets its address."""
        del instance
        return {"type": "ipv4_dhcp"}

    def _ec2(self, instance: Instance) -> Tree:
        hostname = self._hostname(instance)
        return {
            "ami-id": "ami-00000001",
            "ami-launch-index": "0",
            "ami-manifest-path": "FIXME",  # Nova says so
            "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
            "hostname": hostname,
            "instance-action": "none",
            "instance-id": "i-00000001",
            "instance-type": "m1.small",
            "local-hostname": hostname,
            "local-ipv4": instance.address,
            "placement": {"availability-zone": "nova"},
            "public-hostname": hostname,
            "public-ipv4": self.floating_ipv4,
            "public-keys": {f"0={KEY_NAME}": {"openssh-key": instance.public_key}},
            "reservation-id": "r-01234567",
            "security-groups": "default",
        }


@dataclass(frozen=True, kw_only=True)
class ConfigDrive(OpenStack):
    """An OpenStack whose networks have neither: all is on a drive, the address too.

    The floating address was the port's before the instance was: a drive is written once.
    """

    datasource = "ConfigDrive"
    addresses = ()

    def drive(self, instance: Instance) -> Drive:
        """Return the drive: a CD, as Nova writes it by default."""
        ours = _files(self._metadata(instance), self._network(instance), instance.user_data)
        ec2 = {"meta-data.json": json.dumps(_drive_ec2(self._ec2(instance), instance.public_key))}
        if instance.user_data is not None:
            ec2["user-data"] = instance.user_data
        files = {
            f"openstack/{version}/{name}": text
            for version in VERSIONS
            for name, text in ours.items()
            if version >= SINCE.get(name, "")
        }
        for version in ("2009-04-04", "latest"):
            files |= {f"ec2/{version}/{name}": text for name, text in ec2.items()}
        return Drive(label="config-2", files=files, kind="cd")

    def _address(self, instance: Instance) -> Mapping[str, object]:
        default = {"gateway": CLOUD_GATEWAY, "netmask": "0.0.0.0", "network": "0.0.0.0"}
        return {
            "ip_address": instance.address,
            "netmask": CLOUD_NETMASK,
            "routes": [default],
            "services": [_dns()],
            "type": "ipv4",
        }


def _dns() -> Mapping[str, str]:
    return {"address": CLOUD_RESOLVER, "type": "dns"}


def _drive_ec2(metadata: Tree, public_key: str) -> Mapping[str, object]:
    """EC2's metadata as the drive has them, where a key is listed with its number."""
    keys = {"0": {"_name": f"0={KEY_NAME}", "openssh-key": public_key}}
    return {**metadata, "public-keys": keys}


def _files(
    metadata: Mapping[str, object], network: Mapping[str, object], user_data: str | None
) -> Mapping[str, str]:
    """What the service has for each version, and the drive."""
    files = {
        "meta_data.json": json.dumps(metadata),
        "network_data.json": json.dumps(network),
        "vendor_data.json": "{}",
        "vendor_data2.json": '{"static": {}}',
    }
    return files if user_data is None else {**files, "user_data": user_data}


@dataclass
class _Service:
    """Answers for one instance; `password` is what that posted, to be read by its user."""

    files: Mapping[str, str]
    ec2: Tree
    password: str = field(default="")

    def __call__(self, question: Question) -> Answer:
        """Answer as Nova does, which looks at the method for the password alone."""
        path = question.path.partition("?")[0].rstrip("/")
        if path in PASSWORD_PATHS:
            return self._of_password(question)
        first, *others = path.lstrip("/").split("/")
        text = self._text(others) if first == "openstack" else self._ec2_text(first, others)
        if text is None:
            return _error(404, "Not Found", "The resource could not be found.")
        kind = "application/json" if path.endswith(".json") else "text/plain; charset=UTF-8"
        return Answer(status=200, text=text, headers={"Content-Type": kind})

    def _of_password(self, question: Question) -> Answer:
        if question.method == "GET":
            return Answer(status=200, text=self.password)
        if question.method != "POST":
            return _error(400, "Bad Request", "GET and POST only are supported.")
        if self.password:  # it is told once
            return _error(409, "Conflict", "There was a conflict when trying to complete it.")
        self.password = question.body.decode()
        return Answer(status=200)

    def _text(self, names: Sequence[str]) -> str | None:
        if not names:
            return "\n".join(VERSIONS)
        version, *others = names
        if version not in VERSIONS or len(others) > 1:
            return None
        there = {n: text for n, text in self.files.items() if version >= SINCE.get(n, "")}
        if others:
            return there.get(others[0])
        has_password = version >= SINCE["password"]
        return "\n".join([*there, *(["password"] if has_password else [])])

    def _ec2_text(self, version: str, names: Sequence[str]) -> str | None:
        if version == "ec2":  # as good as nothing
            version, *names = names or [""]
        if not version:
            return "\n".join(EC2_VERSIONS)
        return text_at(self.ec2, names) if version in EC2_VERSIONS else None


def _error(status: int, title: str, text: str) -> Answer:
    page = (
        f"<html>\n <head>\n  <title>{status} {title}</title>\n </head>\n"
        f" <body>\n  <h1>{status} {title}</h1>\n  {text}\n </body>\n</html>"
    )
    return Answer(status=status, text=page, headers={"Content-Type": "text/html; charset=UTF-8"})
