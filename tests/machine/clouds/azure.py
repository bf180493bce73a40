"""Azure: a machine of generation 2, its provisioning CD, its wire server and its metadata service.

The CD has ovf-env.xml, from which an agent, here cloud-init, creates the administrator and takes
the custom data. The wire server, 168.63.129.16, waits for the agent's report that the machine is
ready; without one Azure regards the creation as failed. Source of the Instance Metadata Service
(IMDS): "Azure Instance Metadata Service for virtual machines" in Azure's documentation.

Differences: QEMU has none of Hyper-V's devices, so the disk is on virtio-scsi instead of storvsc
and the network card is virtio-net instead of netvsc; cloud-init matches the card by its address.
QEMU's DHCP sends neither the routes to the two servers nor the wire server's address (option 245):
cloud-init warns of that, takes the address that it knows, and goes on.
"""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from machine.cloud import PUBLIC_IPV4, Cloud, Instance
from machine.drive import Drive
from machine.metadata import Request, Response, Service

IMDS = "169.254.169.254"
WIRE_SERVER = "168.63.129.16"
CHASSIS_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"  # by which software recognises Azure
WIRE_VERSION = "2012-11-30"


class Azure(Cloud):
    """Azure, with a public address of the SKU Standard: only the load balancer knows it."""

    candidates = ("Azure", "None")
    disk_bus = "virtio-scsi"
    addresses = (IMDS, WIRE_SERVER)
    complaints = ("failure to find primary DHCP interface",)

    def new_identity(self) -> str:
        """Return what Azure calls vmId."""
        return str(uuid.uuid4())

    def smbios(self, instance: Instance) -> Sequence[str]:
        """Return the system's table, with the vmId, and the chassis' with the asset tag."""
        maker = "manufacturer=Microsoft Corporation"
        return [
            f"type=1,{maker},product=Virtual Machine,uuid={instance.identity}",
            f"type=3,{maker},asset={CHASSIS_ASSET_TAG}",
        ]

    def drive(self, instance: Instance) -> Drive | None:
        """Return the provisioning CD."""
        files = {"ovf-env.xml": _provisioning(instance)}
        return Drive(kind="cd", udf=True, label="rd_rdfe_stable", files=files)

    def service(self, instance: Instance) -> Service:
        """Return both services; the header Host tells which one is meant."""
        metadata = {
            "/metadata/instance": _instance(instance),
            "/metadata/loadbalancer": _load_balancer(instance),
        }
        goal_state = _goal_state(instance)

        def serve(request: Request) -> Response:
            if request.headers.get("host", "").partition(":")[0] == WIRE_SERVER:
                return _wire_server(goal_state, request)
            return _imds(metadata, request)

        return serve


def _imds(metadata: Mapping[str, Any], request: Request) -> Response:
    url = urlsplit(request.path)
    if request.headers.get("metadata", "").lower() != "true":
        return Response(status=400, text="Required metadata header not specified")
    if "api-version" not in parse_qs(url.query):
        return Response(status=400, text="api-version was not specified in the request")
    if url.path not in metadata:
        return Response(status=404)
    return Response(status=200, text=json.dumps(metadata[url.path]))


def _wire_server(goal_state: str, request: Request) -> Response:
    if request.headers.get("x-ms-version") != WIRE_VERSION:
        return Response(status=400)
    url = urlsplit(request.path)
    match request.method, url.path.strip("/"), url.query:
        case "GET", "machine", "comp=goalstate":
            return Response(status=200, text=goal_state)
        case "POST", "machine", "comp=health":
            return Response(status=200)
    return Response(status=404)


def _hostname(instance: Instance) -> str:
    return instance.hostname or "laurel-vm"


def _instance(instance: Instance) -> Mapping[str, Any]:
    key_path = f"/home/{instance.user}/.ssh/authorized_keys"
    address = {"privateIpAddress": instance.address, "publicIpAddress": ""}
    card = {
        "ipv4": {
            "ipAddress": [address],
            "subnet": [{"address": "172.31.0.0", "prefix": "20"}],
        },
        "ipv6": {"ipAddress": []},
        "macAddress": instance.mac.replace(":", "").upper(),
    }
    return {
        "compute": {
            "azEnvironment": "AzurePublicCloud",
            "customData": "",
            "location": "germanywestcentral",
            "name": _hostname(instance),
            "osProfile": {
                "adminUsername": instance.user,
                "computerName": _hostname(instance),
                "disablePasswordAuthentication": "true",
            },
            "osType": "Linux",
            "platformFaultDomain": "0",
            "publicKeys": [{"keyData": instance.public_key, "path": key_path}],
            "tags": "",
            "userData": "",  # differs from custom data, which are on the CD
            "vmId": instance.identity,
            "vmSize": "Standard_B2s",
            "zone": "",
        },
        "network": {"interface": [card]},
    }


def _load_balancer(instance: Instance) -> Mapping[str, Any]:
    pair = {"frontendIpAddress": PUBLIC_IPV4, "privateIpAddress": instance.address}
    return {"loadbalancer": {"publicIpAddresses": [pair], "inboundRules": [], "outboundRules": []}}


def _provisioning(instance: Instance) -> str:
    """Return the text of ovf-env.xml."""
    custom_data = ""
    if instance.user_data is not None:
        encoded = base64.b64encode(instance.user_data.encode()).decode()
        custom_data = f"\n<wa:CustomData>{encoded}</wa:CustomData>"
    return f"""<?xml version="1.0" encoding="utf-8"?>
<ovf:Environment xmlns:ovf="http://schemas.dmtf.org/ovf/environment/1"
 xmlns:wa="http://schemas.microsoft.com/windowsazure">
<wa:ProvisioningSection>
<wa:Version>1.0</wa:Version>
<wa:LinuxProvisioningConfigurationSet>
<wa:ConfigurationSetType>LinuxProvisioningConfiguration</wa:ConfigurationSetType>
<wa:HostName>{escape(_hostname(instance))}</wa:HostName>
<wa:UserName>{escape(instance.user)}</wa:UserName>
<wa:DisableSshPasswordAuthentication>true</wa:DisableSshPasswordAuthentication>
<wa:SSH><wa:PublicKeys><wa:PublicKey>
<wa:Path>/home/{escape(instance.user)}/.ssh/authorized_keys</wa:Path>
<wa:Value>{escape(instance.public_key)}</wa:Value>
</wa:PublicKey></wa:PublicKeys></wa:SSH>{custom_data}
</wa:LinuxProvisioningConfigurationSet>
</wa:ProvisioningSection>
<wa:PlatformSettingsSection>
<wa:Version>1.0</wa:Version>
<wa:PlatformSettings>
<wa:ProvisionGuestAgent>true</wa:ProvisionGuestAgent>
<wa:PreprovisionedVm>false</wa:PreprovisionedVm>
</wa:PlatformSettings>
</wa:PlatformSettingsSection>
</ovf:Environment>
"""


def _goal_state(instance: Instance) -> str:
    """Return the wire server's order: run, without any extension."""
    container = uuid.uuid5(uuid.NAMESPACE_URL, instance.identity)
    role = uuid.uuid5(uuid.NAMESPACE_DNS, instance.identity).hex
    return f"""<?xml version="1.0" encoding="utf-8"?>
<GoalState>
<Version>{WIRE_VERSION}</Version>
<Incarnation>1</Incarnation>
<Machine><ExpectedState>Started</ExpectedState></Machine>
<Container>
<ContainerId>{container}</ContainerId>
<RoleInstanceList><RoleInstance>
<InstanceId>{role}._{escape(_hostname(instance))}</InstanceId>
<State>Started</State>
</RoleInstance></RoleInstanceList>
</Container>
</GoalState>
"""
