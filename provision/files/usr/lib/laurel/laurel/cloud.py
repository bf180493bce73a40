"""The names and addresses that a cloud gave this machine, and that no card of it shows."""

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laurel import files

INSTANCE_DATA = Path("/run/cloud-init/instance-data.json")
# What a cloud was asked for itself, one to a line.
ANSWER = Path("/run/laurel/cloud-addresses")

# Where cloud-init keeps them, of all that its datasource read (`ds`); `*` is each key, each item.
_KEPT = (
    # EC2, under its own name for all of it; OpenStack's metadata are of both kinds; most others.
    *(
        f"{metadata}/{key}"
        for metadata in ("meta-data", "meta_data", "ec2_metadata")
        for key in (
            *("public-ipv4", "public_ipv4", "public-hostname", "public_hostname"),
            "local-hostname",
        )
    ),
    # EC2: of further cards, and further ones of the first.
    "meta-data/network/interfaces/macs/*/public-ipv4s",
    "meta-data/network/interfaces/macs/*/public-hostname",
    # Azure
    "meta_data/imds/network/interface/*/ipv4/ipAddress/*/publicIpAddress",
    # DigitalOcean
    "meta_data/interfaces/public/*/ipv4/ip_address",
    "meta_data/interfaces/public/*/ipv6/ip_address",
    # Hetzner: the public address is the card's own.
)


@dataclass(frozen=True)
class Server:
    """Where a cloud tells what cloud-init does not keep, and where in its answer, see `_at`."""

    path: str
    headers: dict[str, str]
    addresses: str


SERVERS = {
    # cloud-init reads no more of it than the name.
    "gce": Server(
        "/computeMetadata/v1/instance/network-interfaces/?recursive=true",
        {"Metadata-Flavor": "Google"},
        "*/accessConfigs/*/externalIp",
    ),
    # The card has no address of the kind Standard.
    "azure": Server(
        "/metadata/loadbalancer?api-version=2020-10-01",
        {"Metadata": "true"},
        "loadbalancer/publicIpAddresses/*/frontendIpAddress",
    ),
}
METADATA = ("169.254.169.254", 80)  # GCE's has a name besides, for which a boot need not wait
LIMIT = 10.0  # seconds without a word of it, which answers in a few ms


def names() -> list[str]:
    """All that are known, each as a client writes it in Host; none where there is no cloud."""
    found = [value for path in _KEPT for value in _at(_instance_data().get("ds"), path)]
    if ANSWER.exists():
        found += ANSWER.read_text().split()
    return list(dict.fromkeys(host for value in found for host in _hosts(value)))


def ask() -> str | None:
    """Ask the cloud for what cloud-init does not keep, if there is any; `names` knows it then.

    Returns why the cloud told nothing: what it told before stays.
    """
    names = [name for name in _at(_instance_data(), "v1/cloud_name") if isinstance(name, str)]
    server = SERVERS.get(names[0]) if names else None
    if server is None:
        return None
    answer = _answer_of(server)
    if isinstance(answer, str):
        return f"{METADATA[0]} does not tell this machine's public address: {answer}"
    addresses = [host for value in _at(answer, server.addresses) for host in _hosts(value)]
    files.write(ANSWER, "".join(f"{address}\n" for address in addresses))
    return None


def _answer_of(server: Server) -> dict[str, Any] | list[Any] | str:
    """What the cloud tells, or why there is no answer."""
    from http.client import HTTPConnection, HTTPException  # slow, and other machines ask nobody

    connection = HTTPConnection(*METADATA, timeout=LIMIT)
    try:
        connection.request("GET", server.path, headers=server.headers)
        answer = connection.getresponse()
        if answer.status == 404:
            return []  # a machine without such an address
        if answer.status != 200:
            return f"it answered {answer.status}"
        told = json.loads(answer.read())
    except (OSError, HTTPException, ValueError) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return told if isinstance(told, (dict, list)) else "it answered something else"


def _instance_data() -> dict[str, Any]:
    try:
        data = json.loads(INSTANCE_DATA.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _at(node: Any, path: str) -> Iterator[Any]:
    """What is at `path` below `node`; nothing where the data are of another shape."""
    if not path:
        yield node
        return
    name, _, rest = path.partition("/")
    if isinstance(node, dict):
        below = node.values() if name == "*" else [node[name]] if name in node else []
    else:
        below = node if isinstance(node, list) and name == "*" else []
    for each in below:
        yield from _at(each, rest)


def _hosts(value: Any) -> Iterator[str]:
    """The names and addresses in `value`, a text of some or a list of such; no other thing."""
    if isinstance(value, list):
        for each in value:
            yield from _hosts(each)
    elif isinstance(value, str):
        for word in value.split():
            try:
                address = ipaddress.ip_address(word.strip("[]"))
            except ValueError:
                if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", word):
                    yield word
            else:
                yield f"[{address}]" if address.version == 6 else str(address)
