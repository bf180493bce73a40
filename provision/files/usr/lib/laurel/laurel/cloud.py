"""Names and addresses that a cloud gives this machine, and that no network card shows."""

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laurel import files

INSTANCE_DATA = Path("/run/cloud-init/instance-data.json")
# What the cloud's metadata server answered: one host on each line.
ANSWER = Path("/run/laurel/cloud-addresses")

# Paths below `ds` in INSTANCE_DATA, which has what cloud-init's datasource read. `*` stands for
# every key or item.
_KEPT = (
    # EC2; OpenStack, which has two kinds of metadata; most others.
    *(
        f"{metadata}/{key}"
        for metadata in ("meta-data", "meta_data", "ec2_metadata")
        for key in (
            *("public-ipv4", "public_ipv4", "public-hostname", "public_hostname"),
            "local-hostname",
        )
    ),
    # EC2: further cards, and further addresses of the first.
    "meta-data/network/interfaces/macs/*/public-ipv4s",
    "meta-data/network/interfaces/macs/*/public-hostname",
    # Azure
    "meta_data/imds/network/interface/*/ipv4/ipAddress/*/publicIpAddress",
    # DigitalOcean
    "meta_data/interfaces/public/*/ipv4/ip_address",
    "meta_data/interfaces/public/*/ipv6/ip_address",
    # Hetzner: the card itself has the public address.
)


@dataclass(frozen=True)
class Question:
    """An HTTP request to a cloud's metadata server, and the path of the addresses in the answer."""

    path: str
    headers: dict[str, str]
    addresses: str


# Clouds whose metadata cloud-init does not keep in full.
QUESTIONS = {
    # cloud-init does not read the external address.
    "gce": Question(
        "/computeMetadata/v1/instance/network-interfaces/?recursive=true",
        {"Metadata-Flavor": "Google"},
        "*/accessConfigs/*/externalIp",
    ),
    # What cloud-init reads has no public address of the SKU Standard.
    "azure": Question(
        "/metadata/loadbalancer?api-version=2020-10-01",
        {"Metadata": "true"},
        "loadbalancer/publicIpAddresses/*/frontendIpAddress",
    ),
}
METADATA = ("169.254.169.254", 80)  # an address, because a boot must not wait for DNS
LIMIT = 10.0  # seconds of silence; the server answers within a few ms


def names() -> list[str]:
    """All known hosts, each as a client writes it in the Host header; empty outside a cloud."""
    found = [value for path in _KEPT for value in _at(_instance_data().get("ds"), path)]
    if ANSWER.exists():
        found += ANSWER.read_text().split()
    return list(dict.fromkeys(host for value in found for host in _hosts(value)))


def ask() -> str:
    """Ask the cloud for what cloud-init does not keep; `names` includes the answer afterwards.

    Returns "", or why there was no answer; an earlier answer then stays.
    """
    clouds = [name for name in _at(_instance_data(), "v1/cloud_name") if isinstance(name, str)]
    question = QUESTIONS.get(clouds[0]) if clouds else None
    if question is None:
        return ""
    answer = _answer(question)
    if isinstance(answer, str):
        return f"{METADATA[0]} does not give this machine's public address: {answer}"
    addresses = [host for value in _at(answer, question.addresses) for host in _hosts(value)]
    files.write(ANSWER, "".join(f"{address}\n" for address in addresses))
    return ""


def _answer(question: Question) -> dict[str, Any] | list[Any] | str:
    """The decoded answer, or why there is none."""
    from http.client import HTTPConnection, HTTPException  # slow, and most machines do not need it

    connection = HTTPConnection(*METADATA, timeout=LIMIT)
    try:
        connection.request("GET", question.path, headers=question.headers)
        response = connection.getresponse()
        if response.status == 404:
            return []  # a machine without a public address
        if response.status != 200:
            return f"HTTP {response.status}"
        answer = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return answer if isinstance(answer, (dict, list)) else "unexpected JSON"


def _instance_data() -> dict[str, Any]:
    try:
        data = json.loads(INSTANCE_DATA.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _at(node: Any, path: str) -> Iterator[Any]:
    """The values at `path` below `node`; none if the data have another shape."""
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
    """The valid names and addresses in `value`, a text or a list of texts."""
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
