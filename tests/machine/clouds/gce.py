"""Google Compute Engine: its SMBIOS strings, and its metadata server, found by name.

The answers are those of "View and query VM metadata", "Predefined metadata keys" and "Set and query
guest attributes" in the documentation of Compute Engine, for an instance without service account.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from machine.cloud import Cloud, Instance
from machine.metadata import Answer, Question, Service, Token
from machine.qemu import CLOUD_GATEWAY

NAME = "metadata.google.internal"
NAMES = (NAME, "metadata.goog")
TOP = "/computeMetadata/v1/"
FLAVOR = {"Metadata-Flavor": "Google"}  # to be shown, and shown
PROJECT_NUMBER = 123456789012
# Of a colleague, for the whole project: an instance may block it.
PROJECT_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMetadataOfTheWholeProjectAreNotThisMachines colleague"
)
GUEST_ATTRIBUTES = ["instance", "guest-attributes"]

# A folder, or a value: a list of texts is one. A folder of numbers is a list in JSON.
Node = str | int | list[str] | Mapping[str, "Node"]


@dataclass(frozen=True, kw_only=True)
class Gce(Cloud):
    """Compute Engine, in one of its zones.

    Attributes:
        zone: its name.
        project: the name of the project.
        external_ipv4: the instance's address on the internet; of RFC 5737's, which nobody has.
        guest_attributes: whether the instance may write some; it may not unless its user says so.
        block_project_keys: whether the keys of the project are none of the instance's.
    """

    zone: str = "europe-west1-b"
    project: str = "laurel-proof"
    external_ipv4: str = "203.0.113.25"
    guest_attributes: bool = False
    block_project_keys: bool = True

    datasource = "GCE"
    disk_bus = "virtio-scsi"
    names = MappingProxyType(dict.fromkeys(NAMES, "169.254.169.254"))

    @property
    def public(self) -> Sequence[str]:
        """Return its address: it has no name on the internet."""
        return (self.external_ipv4,)

    def new_identity(self) -> str:
        """Return a number, as all of its instances have."""
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
        """Return the instance's metadata service."""
        project: Node = {
            "attributes": {"ssh-keys": f"cloudinit:{PROJECT_KEY}"},
            "numeric-project-id": PROJECT_NUMBER,
            "project-id": self.project,
        }
        return _Service(
            {
                "instance": self._instance(instance),
                "oslogin": {"authenticate": {"sessions": {}}},
                "project": project,
            },
            self.guest_attributes,
        )

    def _instance(self, instance: Instance) -> Node:
        name = instance.hostname or f"instance-{instance.identity[-6:]}"
        attributes = {
            # cloud-init gives those of this user to the image's own.
            "ssh-keys": f"cloudinit:{instance.public_key}",
            **({"block-project-ssh-keys": "TRUE"} if self.block_project_keys else {}),
            **({"enable-guest-attributes": "TRUE"} if self.guest_attributes else {}),
            **({} if instance.user_data is None else {"user-data": instance.user_data}),
        }
        here = f"projects/{PROJECT_NUMBER}"
        card: Node = {
            "access-configs": {"0": {"external-ip": self.external_ipv4, "type": "ONE_TO_ONE_NAT"}},
            "dns-servers": ["169.254.169.254"],
            "forwarded-ips": [],
            "gateway": CLOUD_GATEWAY,
            "ip": instance.address,
            "ip-aliases": [],
            "mac": instance.mac,
            "mtu": 1460,
            "network": f"{here}/networks/default",
            "subnetmask": "255.255.240.0",
            "target-instance-ips": [],
        }
        disk: Node = {
            "device-name": "persistent-disk-0",
            "index": 0,
            "interface": "SCSI",
            "mode": "READ_WRITE",
            "type": "PERSISTENT-BALANCED",
        }
        return {
            "attributes": attributes,
            "cpu-platform": "Intel Broadwell",
            "description": "",
            "disks": {"0": disk},
            "guest-attributes": {},
            "hostname": f"{name}.{self.zone}.c.{self.project}.internal",
            "id": int(instance.identity),
            "image": f"projects/{self.project}/global/images/laurel",
            "licenses": [],
            "machine-type": f"{here}/machineTypes/e2-small",
            "maintenance-event": "NONE",
            "name": name,
            "network-interfaces": {"0": card},
            "preempted": "FALSE",
            "remaining-cpu-time": -1,
            "scheduling": {
                "automatic-restart": "TRUE",
                "on-host-maintenance": "MIGRATE",
                "preemptible": "FALSE",
            },
            "service-accounts": {},
            "tags": ["http-server"],
            "virtual-clock": {"drift-token": "0"},
            "zone": f"{here}/zones/{self.zone}",
        }


@dataclass
class _Service:
    """Answers for one instance; `written` are its guest attributes, by namespace and key."""

    tree: Mapping[str, Node]
    guest_attributes: bool
    written: dict[str, dict[str, str]] = field(default_factory=dict)

    def __call__(self, question: Question) -> Answer:
        """Answer, each time as one that is shown to be Google's."""
        told = self._answer(question)
        kind = "application/text" if told.status == 200 else "text/html; charset=UTF-8"
        headers = {"Content-Type": kind, **FLAVOR, **(told.headers or {})}
        return Answer(
            status=told.status, text=told.text, token=_shown(question.headers), headers=headers
        )

    def _answer(self, question: Question) -> Answer:
        parts = urlsplit(question.path)
        if parts.path == "/":  # a machine may look where it is without knowing it
            return Answer(status=200, text="computeMetadata/\n")
        if "x-forwarded-for" in question.headers:
            return _error(403, "Forbidden", f"No permission to get <code>{parts.path}</code>.")
        if _shown(question.headers) != "valid":
            return _error(403, "Forbidden", "Missing Metadata-Flavor:Google header.")
        if parts.path in (TOP[:-1], "/computeMetadata"):
            return _moved(parts.path, parts.query)
        if parts.path == "/computeMetadata/":
            return Answer(status=200, text="v1/\n")
        names = [name for name in parts.path.removeprefix(TOP).split("/") if name]
        if not parts.path.startswith(TOP):
            return _absent(parts.path)
        if names[:2] == GUEST_ATTRIBUTES:
            if not self.guest_attributes:
                return _error(403, "Forbidden", "Guest attributes endpoint access is disabled.")
            if question.method in ("PUT", "DELETE"):
                return self._write(names[2:], question)
        if question.method not in ("GET", "HEAD"):
            return _error(405, "Method Not Allowed", question.method)
        node: Node | None = {**self.tree}
        if names[:2] == GUEST_ATTRIBUTES:
            node, names = dict(self.written), names[2:]
        for name in names:
            node = node.get(name) if isinstance(node, Mapping) else None
        if node is None:
            return _absent(parts.path)
        return _read(node, parts.path, parts.query)

    def _write(self, names: Sequence[str], question: Question) -> Answer:
        """Take a guest attribute, or drop it."""
        if len(names) != 2:
            return _error(400, "Bad Request", "A guest attribute is NAMESPACE/KEY.")
        namespace = self.written.setdefault(names[0], {})
        if question.method == "PUT":
            namespace[names[1]] = question.body.decode()
        elif namespace.pop(names[1], None) is None:
            return _absent(question.path)
        return Answer(status=200)


def _shown(headers: Mapping[str, str]) -> Token:
    flavor = headers.get("metadata-flavor")
    return "none" if flavor is None else "valid" if flavor == "Google" else "wrong"


def _read(node: Node, path: str, query: str) -> Answer:
    """The value at `path`, the list of its folder, or all of what is below it."""
    asked = {key: values[-1] for key, values in parse_qs(query).items()}
    recursive = asked.get("recursive", "false").lower() == "true"
    form = asked.get("alt")
    if isinstance(node, Mapping) and not path.endswith("/"):
        return _moved(path, query)
    if form not in (None, "json", "text"):
        return _error(400, "Bad Request", f"alt={form}")
    if isinstance(node, Mapping) and not recursive:
        if form is not None:
            return _error(400, "Bad Request", "A folder is listed as text alone.")
        return _found("".join(_list(node)))
    if form == "json" or (form is None and (recursive or isinstance(node, list))):
        users = "attributes" in path.split("/")
        return _found(json.dumps(_in_json(node, users=users)), "application/json")
    if isinstance(node, str | int):
        return _found(str(node))
    return _found("".join(_lines(node, "")))


def _list(folder: Mapping[str, Node]) -> Iterator[str]:
    """A line for each that is in it."""
    for name, below in folder.items():
        yield f"{name}/\n" if isinstance(below, Mapping) else f"{name}\n"


def _lines(node: Node, path: str) -> Iterator[str]:
    """A line for each value below: its path and itself."""
    if isinstance(node, Mapping):
        for name, below in node.items():
            yield from _lines(below, f"{path}/{name}" if path else name)
    else:
        for value in node if isinstance(node, list) else [node]:
            yield f"{path} {value}\n".lstrip()


def _in_json(node: Node, *, users: bool) -> object:
    """`node` with ip-aliases as ipAliases; the names that a user gave stay as they are."""
    if not isinstance(node, Mapping):
        return node
    below = {
        name: _in_json(each, users=users or name == "attributes") for name, each in node.items()
    }
    if below and all(name.isdecimal() for name in below):
        return list(below.values())
    return below if users else {_camel(name): each for name, each in below.items()}


def _camel(name: str) -> str:
    first, *others = name.split("-")
    return first + "".join(word.capitalize() for word in others)


def _found(text: str, kind: str = "application/text") -> Answer:
    tag = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Answer(status=200, text=text, headers={"Content-Type": kind, "ETag": tag})


def _moved(path: str, query: str) -> Answer:
    """A folder has a slash at its end."""
    where = f"{path}/" + (f"?{query}" if query else "")
    return Answer(status=301, text=f"{where}\n", headers={"Location": f"http://{NAME}{where}"})


def _absent(path: str) -> Answer:
    return _error(
        404, "Not Found", f"The requested URL <code>{path}</code> was not found on this server."
    )


def _error(status: int, title: str, text: str) -> Answer:
    page = f"<!DOCTYPE html>\n<title>Error {status} ({title})</title>\n<p>{text}\n"
    return Answer(status=status, text=page)
