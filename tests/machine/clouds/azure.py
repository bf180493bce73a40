"""Azure: a machine of generation 2, its provisioning CD, its wire server and its metadata service.

The CD has ovf-env.xml, by which an agent, here cloud-init, makes the administrator and learns the
custom data. The wire server, 168.63.129.16, waits for the agent's report that the machine is ready;
without one Azure takes its creation for failed. The Instance Metadata Service (IMDS) answers as
"Azure Instance Metadata Service for virtual machines" in Azure's documentation says.

What differs: QEMU has none of Hyper-V's devices, so the disk is on virtio-scsi for storvsc and the
network card is virtio-net for netvsc, of which cloud-init matches no more than the address. QEMU's
DHCP hands out neither the routes to the two servers nor the wire server's address (option 245):
cloud-init complains of that, takes the address that it knows, and goes on.
"""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlsplit
from xml.sax.saxutils import escape

from machine.cloud import Cloud, Instance
from machine.drive import Drive
from machine.metadata import Answer, Question, Service, Token

IMDS = "169.254.169.254"
WIRE_SERVER = "168.63.129.16"
# By which a machine knows that it is on Azure.
CHASSIS_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"
# Of IMDS, the oldest and the newest of them.
VERSIONS = (
    *("2017-03-01", "2017-04-02", "2017-08-01", "2017-10-01", "2017-12-01", "2018-02-01"),
    *("2018-04-02", "2018-10-01", "2019-02-01", "2019-03-11", "2019-04-30", "2019-06-01"),
    *("2019-06-04", "2019-08-01", "2019-08-15", "2019-11-01", "2020-06-01", "2020-07-15"),
    *("2020-09-01", "2020-10-01", "2020-12-01", "2021-01-01", "2021-02-01", "2021-03-01"),
    *("2021-05-01", "2021-08-01", "2021-10-01", "2021-11-01", "2021-11-15", "2021-12-13"),
    *("2023-07-01", "2023-11-15"),
)
WIRE_VERSIONS = ("2015-04-05", "2012-11-30", "2012-09-15", "2012-05-15", "2011-12-31")

Sku = Literal["Basic", "Standard"]


@dataclass(frozen=True, kw_only=True)
class Azure(Cloud):
    """Azure, in one of its regions.

    Attributes:
        location: the region's name.
        public_ipv4: the machine's address on the internet; of RFC 5737's, which nobody has.
        sku: kind of that address. IMDS tells a Basic one with the network card, and a Standard one,
            the only kind that one gets since 2025, with the load balancer alone.
    """

    location: str = "germanywestcentral"
    public_ipv4: str = "203.0.113.25"
    sku: Sku = "Standard"

    datasource = "Azure"
    disk_bus = "virtio-scsi"
    addresses = (IMDS, WIRE_SERVER)
    complaints = ("failure to find primary DHCP interface",)

    @property
    def public(self) -> Sequence[str]:
        """Return its address."""
        return (self.public_ipv4,)

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
        files = {"ovf-env.xml": _provisioning(instance, _hostname(instance))}
        return Drive(kind="cd", udf=True, label="rd_rdfe_stable", files=files)

    def service(self, instance: Instance) -> Service:
        """Return both services of the machine."""
        imds = _Imds(self._instance(instance), self._load_balancer(instance))
        wire_server = _WireServer(
            container=str(uuid.uuid5(uuid.NAMESPACE_URL, instance.identity)),
            role=f"{uuid.uuid5(uuid.NAMESPACE_DNS, instance.identity).hex}._{_hostname(instance)}",
        )
        services: Mapping[str, Service] = {IMDS: imds, WIRE_SERVER: wire_server}

        def serve(question: Question) -> Answer:
            address = question.headers.get("host", IMDS).partition(":")[0]
            return services.get(address, imds)(question)

        return serve

    def _instance(self, instance: Instance) -> Mapping[str, Any]:
        """What /metadata/instance holds."""
        hostname = _hostname(instance)
        key_path = f"/home/{instance.user}/.ssh/authorized_keys"
        card = {
            "ipv4": {
                "ipAddress": [
                    {
                        "privateIpAddress": instance.address,
                        "publicIpAddress": self.public_ipv4 if self.sku == "Basic" else "",
                    }
                ],
                "subnet": [{"address": "172.31.0.0", "prefix": "20"}],
            },
            "ipv6": {"ipAddress": []},
            "macAddress": instance.mac.replace(":", "").upper(),
        }
        return {
            "compute": {
                "azEnvironment": "AzurePublicCloud",
                "customData": "",
                "isHostCompatibilityLayerVm": "false",
                "licenseType": "",
                "location": self.location,
                "name": hostname,
                "offer": "",
                "osProfile": {
                    "adminUsername": instance.user,
                    "computerName": hostname,
                    "disablePasswordAuthentication": "true",
                },
                "osType": "Linux",
                "placementGroupId": "",
                "platformFaultDomain": "0",
                "platformUpdateDomain": "0",
                "provider": "Microsoft.Compute",
                "publicKeys": [{"keyData": instance.public_key, "path": key_path}],
                "publisher": "",
                "resourceGroupName": "laurel",
                "sku": "",
                "subscriptionId": "00000000-0000-0000-0000-000000000000",
                "tags": "",
                "tagsList": [],
                # Of its own, and changed while it runs; custom data are on the CD.
                "userData": "",
                "version": "",
                "vmId": instance.identity,
                "vmScaleSetName": "",
                "vmSize": "Standard_B2s",
                "zone": "",
            },
            "network": {"interface": [card]},
        }

    def _load_balancer(self, instance: Instance) -> Mapping[str, Any] | None:
        """What /metadata/loadbalancer holds; None without an address of the kind Standard."""
        if self.sku != "Standard":
            return None
        pair = {"frontendIpAddress": self.public_ipv4, "privateIpAddress": instance.address}
        return {
            "loadbalancer": {"publicIpAddresses": [pair], "inboundRules": [], "outboundRules": []}
        }


def _hostname(instance: Instance) -> str:
    """Its name, without which no machine is made."""
    return instance.hostname or "laurel-vm"


def _provisioning(instance: Instance, hostname: str) -> str:
    """The text of ovf-env.xml."""
    custom_data = ""
    if instance.user_data is not None:
        encoded = base64.b64encode(instance.user_data.encode()).decode()
        custom_data = f"\n<wa:CustomData>{encoded}</wa:CustomData>"
    return f"""<?xml version="1.0" encoding="utf-8"?>
<ovf:Environment xmlns:ovf="http://schemas.dmtf.org/ovf/environment/1"
 xmlns:wa="http://schemas.microsoft.com/windowsazure"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<wa:ProvisioningSection>
<wa:Version>1.0</wa:Version>
<wa:LinuxProvisioningConfigurationSet>
<wa:ConfigurationSetType>LinuxProvisioningConfiguration</wa:ConfigurationSetType>
<wa:HostName>{escape(hostname)}</wa:HostName>
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
<wa:KmsServerHostname>azkms.core.windows.net</wa:KmsServerHostname>
<wa:ProvisionGuestAgent>true</wa:ProvisionGuestAgent>
<wa:GuestAgentPackageName xsi:nil="true"/>
<wa:PreprovisionedVm>false</wa:PreprovisionedVm>
<wa:PreprovisionedVMType xsi:nil="true"/>
</wa:PlatformSettings>
</wa:PlatformSettingsSection>
</ovf:Environment>
"""


@dataclass(frozen=True)
class _Imds:
    """The Instance Metadata Service of one machine."""

    instance: Mapping[str, Any]
    load_balancer: Mapping[str, Any] | None

    def __call__(self, question: Question) -> Answer:
        # No proxy may pass a stranger's request on, and no page a browser's.
        shown = question.headers.get("metadata", "")
        token: Token = "none" if not shown else "valid" if shown.lower() == "true" else "wrong"
        if token != "valid" or "x-forwarded-for" in question.headers:
            return self._error(400, "Bad request. Required metadata header not specified", token)
        if question.method not in ("GET", "HEAD"):
            return self._error(405, "Method not allowed", token)
        url = urlsplit(question.path)
        query = dict(parse_qsl(url.query))
        path = url.path.strip("/").split("/")
        if path == ["metadata", "versions"]:
            return _json({"apiVersions": VERSIONS}, token)
        if query.get("api-version") not in VERSIONS:
            what = (
                "is not supported" if "api-version" in query else "was not specified in the request"
            )
            error = {
                "error": f"Bad request. api-version {what}",
                "newest-versions": VERSIONS[:-4:-1],
            }
            return _json(error, token, status=400)
        if path == ["metadata", "loadbalancer"] and self.load_balancer is not None:
            return _json(self.load_balancer, token)
        if path[:2] == ["metadata", "identity"]:
            return self._error(400, "invalid_request: Identity not found", token)
        node = self._node(path)
        if node is None:
            return self._error(404, "Not found", token)
        if isinstance(node, str):  # a leaf, which is told as text alone
            if query.get("format") != "text":
                return self._error(400, "Bad request. Format is not supported", token)
            return Answer(status=200, text=node, token=token)
        return _json(node, token)

    def _node(self, path: Sequence[str]) -> Any:
        """What of the instance is at `path`; None if nothing is."""
        if list(path[:2]) != ["metadata", "instance"]:
            return None
        node: Any = self.instance
        for name in path[2:]:
            if isinstance(node, list):
                node = node[int(name)] if name.isdecimal() and int(name) < len(node) else None
            else:
                node = node.get(name) if isinstance(node, Mapping) else None
        return node

    def _error(self, status: int, text: str, token: Token) -> Answer:
        return _json({"error": text}, token, status=status)


@dataclass(frozen=True)
class _WireServer:
    """The wire server, as far as one machine may ask it.

    Attributes:
        container: what Azure calls the machine on its host.
        role: what it calls the machine in its deployment.
    """

    container: str
    role: str

    def __call__(self, question: Question) -> Answer:
        url = urlsplit(question.path)
        query = dict(parse_qsl(url.query))
        path, component = url.path.strip("/"), query.get("comp")
        if (path, component) == ("", "versions"):
            return self._versions(question)
        version = question.headers.get("x-ms-version")
        token: Token = "none" if not version else "valid" if version in WIRE_VERSIONS else "wrong"
        if token != "valid":
            return Answer(status=400, token=token)
        if (path, component) == ("machine", "health"):
            return Answer(status=200 if question.method == "POST" else 405, token=token)
        text = self._text(path, component)
        if text is None:
            return Answer(status=404, token=token)
        if question.method != "GET":
            return Answer(status=405, token=token)
        return Answer(status=200, text=text, token=token)

    def _versions(self, question: Question) -> Answer:
        if question.method != "GET":
            return Answer(status=405)
        supported = "".join(f"<Version>{version}</Version>" for version in WIRE_VERSIONS)
        return Answer(
            status=200,
            text=f"""<?xml version="1.0" encoding="utf-8"?>
<Versions><Preferred><Version>{WIRE_VERSIONS[0]}</Version></Preferred>
<Supported>{supported}</Supported></Versions>
""",
        )

    @property
    def _place(self) -> str:
        return f"machine/{self.container}/{quote(self.role)}"

    def _text(self, path: str, component: str | None) -> str | None:
        """What it tells there; None if nothing."""
        if (path, component) == ("machine", "goalstate"):
            return self._goal_state()
        if (path, component) == (self._place, "config"):
            return '<?xml version="1.0" encoding="utf-8"?>\n<SharedConfig version="1.0.0.0"/>\n'
        return None

    def _goal_state(self) -> str:
        """What Azure would have the machine do: run, with no extension."""
        configuration = "".join(
            f"<{tag}>http://{WIRE_SERVER}:80/{self._place}?comp=config&amp;type={kind}"
            f"&amp;incarnation=1</{tag}>\n"
            for tag, kind in {
                "HostingEnvironmentConfig": "hostingEnvironmentConfig",
                "SharedConfig": "sharedConfig",
                "ExtensionsConfig": "extensionsConfig",
                "FullConfig": "fullConfig",
            }.items()
        )
        return f"""<?xml version="1.0" encoding="utf-8"?>
<GoalState xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<Version>{WIRE_VERSIONS[1]}</Version>
<Incarnation>1</Incarnation>
<Machine>
<ExpectedState>Started</ExpectedState>
<StopRolesDeadlineHint>300000</StopRolesDeadlineHint>
<LBProbePorts><Port>16001</Port></LBProbePorts>
<ExpectHealthReport>FALSE</ExpectHealthReport>
</Machine>
<Container>
<ContainerId>{self.container}</ContainerId>
<RoleInstanceList>
<RoleInstance>
<InstanceId>{escape(self.role)}</InstanceId>
<State>Started</State>
<Configuration>
{configuration}<ConfigName>{escape(self.role)}.1.xml</ConfigName>
</Configuration>
</RoleInstance>
</RoleInstanceList>
</Container>
</GoalState>
"""


def _json(value: Any, token: Token, *, status: int = 200) -> Answer:
    return Answer(status=status, text=json.dumps(value), token=token)
