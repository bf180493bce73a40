"""What a cloud tells a machine of its public names: as cloud-init keeps it, and asked for."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from laurel import cloud
from machine.metadata import MetadataServer, Request, Response

FIRST, SECOND = "203.0.113.25", "203.0.113.26"
INTERFACES = [
    {"ip": "10.132.0.2", "accessConfigs": [{"externalIp": FIRST, "type": "ONE_TO_ONE_NAT"}]},
    {"ip": "10.0.0.2", "accessConfigs": [{"externalIp": SECOND}, {"externalIp": ""}]},
    {"ip": "10.0.1.2", "accessConfigs": []},
]


class Machine:
    """What cloud-init and the cloud have left on a machine."""

    def __init__(self, folder: Path) -> None:
        self.instance_data = folder / "instance-data.json"
        self.answer = folder / "run" / "cloud-addresses"

    def read(self, name: str, ds: Any) -> None:
        """Have cloud-init read that of a cloud of that name."""
        self.instance_data.write_text(json.dumps({"v1": {"cloud_name": name}, "ds": ds}))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine in no cloud."""
    machine = Machine(tmp_path)
    monkeypatch.setattr(cloud, "INSTANCE_DATA", machine.instance_data)
    monkeypatch.setattr(cloud, "ANSWER", machine.answer)
    return machine


# What cloud-init keeps


def test_ec2_gives_names_and_the_addresses_of_every_card(machine: Machine) -> None:
    cards = {
        "02:00:00:00:00:01": {"public-ipv4s": [FIRST, SECOND], "public-hostname": "a.example"},
        "02:00:00:00:00:02": {"public-ipv4s": "203.0.113.27", "local-ipv4s": "172.31.0.16"},
        "02:00:00:00:00:03": {"local-ipv4s": "172.31.0.17"},
    }
    metadata = {
        "ami-id": "ami-1",
        "local-hostname": "ip-172-31-0-15.compute.internal",
        "local-ipv4": "172.31.0.15",
        "network": {"interfaces": {"macs": cards}},
        "public-hostname": "a.example",
        "public-ipv4": FIRST,
    }
    machine.read("aws", {"meta-data": metadata, "dynamic": {"instance-identity": {}}})
    local = "ip-172-31-0-15.compute.internal"
    assert sorted(cloud.names()) == [FIRST, SECOND, "203.0.113.27", "a.example", local]


def test_openstack_gives_the_floating_address_in_its_metadata_of_ec2s_kind(
    machine: Machine,
) -> None:
    names = {"local-hostname": "web-1.novalocal", "public-hostname": "web-1.novalocal"}
    machine.read(
        "openstack",
        {
            "meta_data": {"uuid": "u", "hostname": "web-1.novalocal", **names},
            "ec2_metadata": {"public-ipv4": FIRST, "local-ipv4": "172.31.0.15", **names},
            "network_json": {"services": [{"type": "dns", "address": "172.31.0.2"}]},
        },
    )
    assert sorted(cloud.names()) == [FIRST, "web-1.novalocal"]


def test_openstack_without_a_floating_address_gives_its_name_alone(machine: Machine) -> None:
    names = {"local-hostname": "web-1", "public-ipv4": ""}
    machine.read("openstack", {"meta_data": {"uuid": "u"}, "ec2_metadata": names})
    assert cloud.names() == ["web-1"]


def test_azure_gives_the_public_addresses_of_every_card(machine: Machine) -> None:
    def card(*addresses: str) -> dict[str, Any]:
        pairs = [{"privateIpAddress": "10.0.0.4", "publicIpAddress": each} for each in addresses]
        return {"ipv4": {"ipAddress": pairs}, "ipv6": {"ipAddress": []}}

    imds = {"compute": {"name": "web-1"}, "network": {"interface": [card(FIRST, ""), card(SECOND)]}}
    machine.read("azure", {"meta_data": {"local-hostname": "web-1", "imds": imds}})
    assert sorted(cloud.names()) == [FIRST, SECOND, "web-1"]


def test_digitalocean_gives_the_public_cards_addresses(machine: Machine) -> None:
    public = {
        "ipv4": {"ip_address": FIRST, "gateway": "203.0.113.1"},
        "ipv6": {"ip_address": "2001:0DB8::7", "cidr": 64},
        "anchor_ipv4": {"ip_address": "10.17.0.9"},
    }
    private = {"ipv4": {"ip_address": "10.132.75.35"}}
    interfaces = {"public": [public], "private": [private]}
    machine.read(
        "digitalocean", {"meta_data": {"local-hostname": "web-1", "interfaces": interfaces}}
    )
    assert sorted(cloud.names()) == [FIRST, "[2001:db8::7]", "web-1"]


@pytest.mark.parametrize("told_as", ["meta_data", "meta-data"])
@pytest.mark.parametrize("mark", ["-", "_"])
def test_other_clouds_give_what_they_call_public(machine: Machine, told_as: str, mark: str) -> None:
    metadata = {f"public{mark}ipv4": FIRST, f"public{mark}hostname": "vm.example", "ami-id": "ami"}
    machine.read("other", {told_as: metadata})
    assert sorted(cloud.names()) == [FIRST, "vm.example"]


@pytest.mark.parametrize("name", ["*", "a,*", 'x";', "$host", "-a", None, 7, {"a": "b"}, [None]])
def test_what_is_no_name_is_left_out(machine: Machine, name: Any) -> None:
    machine.read("aws", {"meta-data": {"public-hostname": name}})
    assert cloud.names() == []


@pytest.mark.parametrize(
    "text",
    [
        *("", "not json", "{}", "[]", "null", '{"ds": null, "v1": null}', '{"ds": []}'),
        *('{"v1": "gce"}', '{"v1": {"cloud_name": ["gce"]}}', '{"ds": {"meta_data": 0}}'),
        '{"ds": {"meta_data": {"imds": {"network": {"interface": {"0": []}}}}}}',
    ],
)
def test_data_of_another_shape_are_no_error(machine: Machine, text: str) -> None:
    machine.instance_data.write_text(text)
    assert cloud.ask() is None
    assert cloud.names() == []


def test_a_machine_in_no_cloud_has_no_such_names(machine: Machine) -> None:
    assert not machine.instance_data.exists()
    assert cloud.ask() is None
    assert cloud.names() == []


# What a cloud is asked for itself

Serve = Callable[[Response], MetadataServer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a server that gives the same answer to all who say whom they think they ask."""
    servers = []

    def start(answer: Response) -> MetadataServer:
        def service(request: Request) -> Response:
            known = {"metadata-flavor": "Google", "metadata": "true"}.items()
            return answer if known & request.headers.items() else Response(status=403)

        servers.append(MetadataServer(service))
        monkeypatch.setattr(cloud, "METADATA", ("127.0.0.1", servers[-1].port))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def gce(machine: Machine) -> Machine:
    """A machine whose metadata cloud-init has from GCE."""
    machine.read("gce", {"meta_data": {"local-hostname": "web-1.c.p.internal"}})
    return machine


@pytest.mark.usefixtures("gce")
def test_gce_is_asked_for_the_external_addresses(serve: Serve) -> None:
    server = serve(Response(status=200, text=json.dumps(INTERFACES)))
    assert cloud.names() == ["web-1.c.p.internal"]
    assert cloud.ask() is None
    assert cloud.names() == ["web-1.c.p.internal", FIRST, SECOND]
    path = "/computeMetadata/v1/instance/network-interfaces/?recursive=true"
    assert [(asked.method, asked.path, asked.status) for asked in server.log] == [
        ("GET", path, 200)
    ]


def test_azure_is_asked_for_the_address_that_no_card_has(machine: Machine, serve: Serve) -> None:
    machine.read("azure", {"meta_data": {"local-hostname": "web-1"}})
    pair = {"frontendIpAddress": FIRST, "privateIpAddress": "10.0.0.4"}
    told = {"loadbalancer": {"publicIpAddresses": [pair], "inboundRules": []}}
    server = serve(Response(status=200, text=json.dumps(told)))
    assert cloud.ask() is None
    assert cloud.names() == ["web-1", FIRST]
    assert [(asked.method, asked.path, asked.status) for asked in server.log] == [
        ("GET", "/metadata/loadbalancer?api-version=2020-10-01", 200)
    ]


def test_a_machine_without_a_public_address_is_no_trouble(machine: Machine, serve: Serve) -> None:
    machine.read("azure", {"meta_data": {"local-hostname": "web-1"}})
    serve(Response(status=404))
    assert cloud.ask() is None
    assert cloud.names() == ["web-1"]


@pytest.mark.usefixtures("gce")
def test_an_address_that_was_taken_away_is_known_no_more(serve: Serve) -> None:
    serve(Response(status=200, text=json.dumps(INTERFACES)))
    cloud.ask()
    serve(Response(status=200, text=json.dumps(INTERFACES[2:])))
    assert cloud.ask() is None
    assert cloud.names() == ["web-1.c.p.internal"]


@pytest.mark.parametrize("name", ["aws", "openstack", "hetzner", "nocloud"])
def test_no_other_cloud_is_asked(machine: Machine, serve: Serve, name: str) -> None:
    server = serve(Response(status=200, text=json.dumps(INTERFACES)))
    machine.read(name, {"meta_data": {}})
    assert cloud.ask() is None
    assert (server.log, machine.answer.exists()) == ([], False)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Response(status=503), "it answered 503"),
        (Response(status=200, text="<html>"), "Expecting value"),
        (Response(status=200, text="1"), "it answered something else"),
    ],
)
@pytest.mark.usefixtures("gce")
def test_what_gce_told_before_stays_when_it_does_not_tell(
    serve: Serve, answer: Response, why: str
) -> None:
    serve(Response(status=200, text=json.dumps(INTERFACES)))
    cloud.ask()
    serve(answer)
    told = cloud.ask() or ""
    assert told.startswith(f"127.0.0.1 does not tell this machine's public address: {why}")
    assert FIRST in cloud.names()


@pytest.mark.usefixtures("gce")
def test_a_server_that_refuses_is_told(serve: Serve) -> None:
    serve(Response(status=200)).close()
    assert "refused" in (cloud.ask() or "")
    assert cloud.names() == ["web-1.c.p.internal"]


@pytest.mark.usefixtures("gce")
def test_a_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "LIMIT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(cloud, "METADATA", silent.getsockname())
        before = time.monotonic()
        told = cloud.ask()
    assert told is not None
    assert time.monotonic() - before < 2
