"""Google Compute Engine: its SMBIOS strings, and its metadata server, found by name.

Sources: "View and query VM metadata" and "Predefined metadata keys" in the documentation of Compute
Engine. Of the metadata only what cloud-init and Laurel read is here.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from machine.cloud import PUBLIC_IPV4, Cloud, Instance
from machine.metadata import Request, Response, Service

NAME = "metadata.google.internal"
ADDRESS = "169.254.169.254"
TOP = "/computeMetadata/v1/"
FLAVOR = "Google"  # required of each request in the header Metadata-Flavor
PROJECT = "laurel-proof"
PROJECT_NUMBER = 123456789012
ZONE = "europe-west1-b"
# A key for all instances of the project, which this instance blocks.
PROJECT_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMetadataOfTheWholeProjectAreNotThisMachines colleague"
)


class Gce(Cloud):
    """Compute Engine, for an instance without a service account and without guest attributes."""

    candidates = ("GCE", "None")
    disk_bus = "virtio-scsi"
    addresses = (ADDRESS,)
    names = dict.fromkeys((NAME, "metadata.goog"), ADDRESS)

    def new_identity(self) -> str:
        """Return a number of 19 digits."""
        return str(10**18 + secrets.randbelow(9 * 10**18))

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the tables of the system and its board."""
        uuid = UUID(hashlib.sha256(instance.identity.encode()).hexdigest()[:32])
        serial = f"GoogleCloud-{uuid.hex.upper()}"
        made = "manufacturer=Google,product=Google Compute Engine"
        return [
            f"type=1,{made},serial={serial},uuid={uuid}",
            f"type=2,{made},serial=Board-{serial}",
        ]

    def service(self, instance: Instance) -> Service:
        """Return a service that refuses requests without the header Metadata-Flavor."""
        tree = _tree(instance)
        return lambda request: _respond(tree, request)


def _tree(instance: Instance) -> Mapping[str, Any]:
    name = instance.hostname or f"instance-{instance.identity[-6:]}"
    user_data = {} if instance.user_data is None else {"user-data": instance.user_data}
    card = {
        "accessConfigs": [{"externalIp": PUBLIC_IPV4, "type": "ONE_TO_ONE_NAT"}],
        "ip": instance.address,
        "mac": instance.mac,
    }
    return {
        "instance": {
            "attributes": {
                # cloud-init gives the keys of this user to the image's default user.
                "ssh-keys": f"cloudinit:{instance.public_key}",
                "block-project-ssh-keys": "TRUE",
                **user_data,
            },
            "hostname": f"{name}.{ZONE}.c.{PROJECT}.internal",
            "id": instance.identity,
            "name": name,
            "network-interfaces": [card],
            "zone": f"projects/{PROJECT_NUMBER}/zones/{ZONE}",
        },
        "project": {
            "attributes": {"ssh-keys": f"cloudinit:{PROJECT_KEY}"},
            "project-id": PROJECT,
        },
    }


def _respond(tree: Mapping[str, Any], request: Request) -> Response:
    if request.headers.get("metadata-flavor") != FLAVOR:
        return Response(status=403, text="Missing Metadata-Flavor:Google header.")
    if request.method != "GET":
        return Response(status=403, text="Guest attributes endpoint access is disabled.")
    url = urlsplit(request.path)
    node: Any = tree
    for name in url.path.removeprefix(TOP).strip("/").split("/"):
        if not isinstance(node, Mapping) or name not in node:
            return Response(status=404)
        node = node[name]
    if isinstance(node, str):
        return Response(status=200, text=node)
    if "recursive=true" in url.query.lower():
        return Response(status=200, text=json.dumps(node))
    return Response(status=200, text="".join(f"{name}\n" for name in node))
