"""Amazon EC2: its SMBIOS strings, and its metadata service with tokens required (IMDSv2).

Sources: "Use the Instance Metadata Service to access instance metadata" and "Instance metadata
categories" in the EC2 User Guide.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from uuid import UUID

from machine.cloud import PUBLIC_IPV4, Cloud, Instance
from machine.metadata import Request, Response, Service, Tree, pages_of, serve_pages

REGION = "eu-central-1"
PUBLIC_HOSTNAME = f"ec2-{PUBLIC_IPV4.replace('.', '-')}.{REGION}.compute.amazonaws.com"
VERSIONS = ("2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23", "latest")  # a selection
TOKEN_PATH = "/latest/api/token"
TOKEN_HEADER = "x-aws-ec2-metadata-token"
LIFE_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"


class Ec2(Cloud):
    """EC2, for an instance without a role."""

    candidates = ("Ec2", "None")
    public = (PUBLIC_HOSTNAME, PUBLIC_IPV4)
    disk_bus = "nvme"

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the system's table: a UUID that begins with "ec2" means EC2."""
        uuid = UUID("ec2" + hashlib.sha256(instance.identity.encode()).hexdigest()[:29])
        return [f"type=1,manufacturer=Amazon EC2,product=t3.small,uuid={uuid},serial={uuid}"]

    def service(self, instance: Instance) -> Service:
        """Return a service that refuses requests without the token that it has issued."""
        tree: dict[str, str | Tree] = {
            "dynamic": {"instance-identity": _identity(instance)},
            "meta-data": _metadata(instance),
        }
        if instance.user_data is not None:
            tree["user-data"] = instance.user_data
        pages = serve_pages(pages_of(dict.fromkeys(VERSIONS, tree)))
        token = secrets.token_urlsafe(40)

        def serve(request: Request) -> Response:
            if (request.method, request.path) == ("PUT", TOKEN_PATH):
                if LIFE_HEADER not in request.headers:
                    return Response(status=400)
                return Response(status=200, text=token)
            if request.headers.get(TOKEN_HEADER) != token:
                return Response(status=401)
            return pages(request)

        return serve


def _identity(instance: Instance) -> Tree:
    document = {
        "accountId": "123456789012",
        "availabilityZone": f"{REGION}a",
        "instanceId": instance.identity,
        "instanceType": "t3.small",
        "privateIp": instance.address,
        "region": REGION,
    }
    unsigned = dict.fromkeys(("pkcs7", "rsa2048", "signature"), "unsigned")
    return {"document": json.dumps(document, indent=2), **unsigned}


def _metadata(instance: Instance) -> Tree:
    hostname = instance.hostname or (
        f"ip-{instance.address.replace('.', '-')}.{REGION}.compute.internal"
    )
    card: Tree = {
        "device-number": "0",
        "interface-id": "eni-0123456789abcdef0",
        "ipv4-associations": {PUBLIC_IPV4: instance.address},
        "local-hostname": hostname,
        "local-ipv4s": instance.address,
        "mac": instance.mac,
        "public-hostname": PUBLIC_HOSTNAME,
        "public-ipv4s": PUBLIC_IPV4,
        "subnet-ipv4-cidr-block": "172.31.0.0/20",
        "vpc-ipv4-cidr-block": "172.31.0.0/16",
        "vpc-ipv4-cidr-blocks": "172.31.0.0/16",
    }
    return {
        "ami-id": "ami-0123456789abcdef0",
        "ami-launch-index": "0",
        "block-device-mapping": {"ami": "/dev/xvda", "root": "/dev/xvda"},
        "hostname": hostname,
        "instance-id": instance.identity,
        "instance-type": "t3.small",
        "local-hostname": hostname,
        "local-ipv4": instance.address,
        "mac": instance.mac,
        "network": {"interfaces": {"macs": {instance.mac: card}}},
        "placement": {"availability-zone": f"{REGION}a", "region": REGION},
        "public-hostname": PUBLIC_HOSTNAME,
        "public-ipv4": PUBLIC_IPV4,
        "public-keys": {"0=laurel": {"openssh-key": instance.public_key}},
    }
