"""Addresses that a cloud's metadata server gives, because cloud-init does not keep them."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from laurel import cloud
from machine.metadata import MetadataServer, Request, Response

FIRST, SECOND = "203.0.113.25", "203.0.113.26"
GCE = [
    {"ip": "10.132.0.2", "accessConfigs": [{"externalIp": FIRST, "type": "ONE_TO_ONE_NAT"}]},
    {"ip": "10.0.0.2", "accessConfigs": [{"externalIp": SECOND}, {"externalIp": ""}]},
    {"ip": "10.0.1.2", "accessConfigs": []},
]
AZURE = {"loadbalancer": {"publicIpAddresses": [{"frontendIpAddress": FIRST}], "inboundRules": []}}

Serve = Callable[[Response], MetadataServer]


@pytest.fixture
def in_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts the machine into the cloud of a name, as cloud-init says."""
    monkeypatch.setattr(cloud, "INSTANCE_DATA", tmp_path / "instance-data.json")
    monkeypatch.setattr(cloud, "ANSWER", tmp_path / "run" / "cloud-addresses")

    def in_cloud(name: str) -> None:
        ds = {"meta_data": {"local-hostname": "web-1"}}
        cloud.INSTANCE_DATA.write_text(json.dumps({"v1": {"cloud_name": name}, "ds": ds}))

    return in_cloud


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a metadata server with one answer for every client that sends a cloud's header."""
    with ExitStack() as ends:

        def start(answer: Response) -> MetadataServer:
            def service(question: Request) -> Response:
                known = {"metadata-flavor": "Google", "metadata": "true"}.items()
                return answer if known & question.headers.items() else Response(status=403)

            server = MetadataServer(service)
            ends.callback(server.close)
            monkeypatch.setattr(cloud, "METADATA", ("127.0.0.1", server.port))
            return server

        yield start


@pytest.mark.parametrize(
    ("name", "answer", "path", "names"),
    [
        (
            "gce",
            GCE,
            "/computeMetadata/v1/instance/network-interfaces/?recursive=true",
            ["web-1", FIRST, SECOND],
        ),
        ("azure", AZURE, "/metadata/loadbalancer?api-version=2020-10-01", ["web-1", FIRST]),
    ],
)
def test_cloud_is_asked_for_public_addresses(
    in_cloud: Callable[[str], None],
    serve: Serve,
    name: str,
    answer: object,
    path: str,
    names: list[str],
) -> None:
    in_cloud(name)
    server = serve(Response(status=200, text=json.dumps(answer)))
    assert cloud.names() == ["web-1"]
    assert cloud.ask() == ""
    assert cloud.names() == names
    assert [(asked.method, asked.path, asked.status) for asked in server.log] == [
        ("GET", path, 200)
    ]


@pytest.mark.parametrize(
    "answer", [Response(status=404), Response(status=200, text=json.dumps(GCE[2:]))]
)
def test_address_that_was_taken_away_is_forgotten(
    in_cloud: Callable[[str], None], serve: Serve, answer: Response
) -> None:
    in_cloud("gce")
    serve(Response(status=200, text=json.dumps(GCE)))
    cloud.ask()
    serve(answer)
    assert cloud.ask() == ""
    assert cloud.names() == ["web-1"]


@pytest.mark.parametrize("name", ["aws", "openstack", "hetzner", "nocloud"])
def test_other_clouds_are_not_asked(
    in_cloud: Callable[[str], None], serve: Serve, name: str
) -> None:
    in_cloud(name)
    server = serve(Response(status=200, text=json.dumps(GCE)))
    assert cloud.ask() == ""
    assert (server.log, cloud.ANSWER.exists()) == ([], False)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Response(status=503), "HTTP 503"),
        (Response(status=200, text="<html>"), "Expecting value"),
        (Response(status=200, text="1"), "unexpected JSON"),
        (None, ".*refused"),
    ],
)
def test_earlier_answer_stays_when_the_cloud_gives_none(
    in_cloud: Callable[[str], None], serve: Serve, answer: Response | None, why: str
) -> None:
    in_cloud("gce")
    serve(Response(status=200, text=json.dumps(GCE)))
    cloud.ask()
    if answer:
        serve(answer)
    else:
        serve(Response(status=200)).close()
    problem = cloud.ask()
    assert re.match(f"127.0.0.1 does not give this machine's public address: {why}", problem)
    assert FIRST in cloud.names()


def test_silent_server_times_out(
    in_cloud: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_cloud("gce")
    monkeypatch.setattr(cloud, "LIMIT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(cloud, "METADATA", silent.getsockname())
        before = time.monotonic()
        assert cloud.ask() != ""
    assert time.monotonic() - before < 2
