"""Amazon EC2: its SMBIOS strings, and its metadata service with tokens required (IMDSv2).

The answers are those of "Use the Instance Metadata Service to access instance metadata" and of
"Instance metadata categories" in the EC2 User Guide, for an instance without a role.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from machine.cloud import Cloud, Instance
from machine.clouds.tree import Tree, text_at
from machine.metadata import Answer, Question, Service, Token

VERSIONS = ("2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23", "latest")  # some of them
TOKEN_PATH = "/latest/api/token"
TOKEN_HEADER = "x-aws-ec2-metadata-token"
LIFE_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
LONGEST_LIFE = 21600  # seconds: six hours
KEY_NAME = "laurel"
IMAGE_ID = "ami-0123456789abcdef0"


@dataclass(frozen=True, kw_only=True)
class Ec2(Cloud):
    """EC2, in one of its regions.

    Attributes:
        region: its name.
        public_ipv4: the instance's address on the internet; of RFC 5737's, which nobody has.
    """

    region: str = "eu-central-1"
    public_ipv4: str = "203.0.113.25"

    datasource = "Ec2"
    disk_bus = "nvme"  # of every type that is offered today

    @property
    def public_hostname(self) -> str:
        """The instance's name on the internet."""
        return f"ec2-{self.public_ipv4.replace('.', '-')}.{self.region}.compute.amazonaws.com"

    @property
    def public(self) -> Sequence[str]:
        """Return its name and its address."""
        return self.public_hostname, self.public_ipv4

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the system's table; by its UUID a machine knows that it is on EC2."""
        uuid = UUID("ec2" + hashlib.sha256(instance.identity.encode()).hexdigest()[:29])
        return [f"type=1,manufacturer=Amazon EC2,product=t3.small,uuid={uuid},serial={uuid}"]

    def service(self, instance: Instance) -> Service:
        """Return the instance's metadata service."""
        tree: dict[str, str | Tree] = {
            "dynamic": {"instance-identity": self._identity(instance)},
            "meta-data": self._metadata(instance),
        }
        if instance.user_data is not None:
            tree["user-data"] = instance.user_data
        return _Service(tree)

    def _identity(self, instance: Instance) -> Tree:
        document = {
            "accountId": "123456789012",
            "architecture": "x86_64",
            "availabilityZone": f"{self.region}a",
            "imageId": IMAGE_ID,
            "instanceId": instance.identity,
            "instanceType": "t3.small",
            "privateIp": instance.address,
            "region": self.region,
            "version": "2017-09-30",
        }
        unsigned = dict.fromkeys(("pkcs7", "rsa2048", "signature"), "unsigned")
        return {"document": json.dumps(document, indent=2), **unsigned}

    def _metadata(self, instance: Instance) -> Tree:
        hostname = instance.hostname or (
            f"ip-{instance.address.replace('.', '-')}.{self.region}.compute.internal"
        )
        card: Tree = {
            "device-number": "0",
            "interface-id": "eni-0123456789abcdef0",
            "ipv4-associations": {self.public_ipv4: instance.address},
            "local-hostname": hostname,
            "local-ipv4s": instance.address,
            "mac": instance.mac,
            "owner-id": "123456789012",
            "public-hostname": self.public_hostname,
            "public-ipv4s": self.public_ipv4,
            "security-group-ids": "sg-0123456789abcdef0",
            "security-groups": "default",
            "subnet-id": "subnet-0123456789abcdef0",
            "subnet-ipv4-cidr-block": "172.31.0.0/20",
            "vpc-id": "vpc-0123456789abcdef0",
            "vpc-ipv4-cidr-block": "172.31.0.0/16",
            "vpc-ipv4-cidr-blocks": "172.31.0.0/16",
        }
        return {
            "ami-id": IMAGE_ID,
            "ami-launch-index": "0",
            "ami-manifest-path": "(unknown)",
            "block-device-mapping": {"ami": "/dev/xvda", "root": "/dev/xvda"},
            "hostname": hostname,
            "instance-action": "none",
            "instance-id": instance.identity,
            "instance-life-cycle": "on-demand",
            "instance-type": "t3.small",
            "local-hostname": hostname,
            "local-ipv4": instance.address,
            "mac": instance.mac,
            "network": {"interfaces": {"macs": {instance.mac: card}}},
            "placement": {
                "availability-zone": f"{self.region}a",
                "availability-zone-id": "euc1-az2",
                "region": self.region,
            },
            "profile": "default-hvm",
            "public-hostname": self.public_hostname,
            "public-ipv4": self.public_ipv4,
            "public-keys": {f"0={KEY_NAME}": {"openssh-key": instance.public_key}},
            "reservation-id": "r-0123456789abcdef0",
            "security-groups": "default",
            "services": {"domain": "amazonaws.com", "partition": "aws"},
        }


@dataclass
class _Service:
    """Answers for one instance; `tokens` has the end of each, as time.monotonic() tells it."""

    tree: Tree
    tokens: dict[str, float] = field(default_factory=dict)

    def __call__(self, question: Question) -> Answer:
        if question.path == TOKEN_PATH:
            return self._token(question)
        token = self._shown(question)
        if question.method not in ("GET", "HEAD"):
            return Answer(status=405, token=token)
        if token != "valid":
            return Answer(status=401, token=token)
        text = self._text(question.path)
        if text is None:
            return Answer(status=404, token=token)
        return Answer(status=200, text=text, token=token)

    def _token(self, question: Question) -> Answer:
        """Hand out a token, but to no proxy that passes a stranger's request on."""
        if question.method != "PUT":
            return Answer(status=405)
        if "x-forwarded-for" in question.headers:
            return Answer(status=403)
        life = question.headers.get(LIFE_HEADER, "")
        if not life.isdecimal() or not 1 <= int(life) <= LONGEST_LIFE:
            return Answer(status=400)
        token = secrets.token_urlsafe(40)
        self.tokens[token] = time.monotonic() + int(life)
        return Answer(status=200, text=token, headers={LIFE_HEADER: life})

    def _shown(self, question: Question) -> Token:
        token = question.headers.get(TOKEN_HEADER)
        if token is None:
            return "none"
        return "valid" if time.monotonic() < self.tokens.get(token, 0) else "wrong"

    def _text(self, path: str) -> str | None:
        """What is at `path`, for a folder its list; None if nothing is."""
        version, *names = path.strip("/").split("/")
        if not version:
            return "\n".join(VERSIONS)
        if version not in VERSIONS:
            return None
        return text_at(self.tree, names)
