"""Addresses that a cloud's metadata server gives, because cloud-init does not keep them."""

import json
import socket
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


@pytest.fixture(autouse=True)
def in_gce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine runs in GCE, as cloud-init says."""
    monkeypatch.setattr(cloud, "INSTANCE_DATA", tmp_path / "instance-data.json")
    monkeypatch.setattr(cloud, "ANSWER", tmp_path / "run" / "cloud-addresses")
    move_to("gce")


def move_to(name: str) -> None:
    """Put the machine into another cloud."""
    ds = {"meta_data": {"local-hostname": "web-1"}}
    cloud.INSTANCE_DATA.write_text(json.dumps({"v1": {"cloud_name": name}, "ds": ds}))


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
    serve: Serve, name: str, answer: object, path: str, names: list[str]
) -> None:
    move_to(name)
    server = serve(Response(status=200, text=json.dumps(answer)))
    assert cloud.names() == ["web-1"]
    assert cloud.ask() == ""
    assert cloud.names() == names
    (asked,) = server.log
    assert (asked.method, asked.path) == ("GET", path)


@pytest.mark.parametrize(
    "answer", [Response(status=404), Response(status=200, text=json.dumps(GCE[2:]))]
)
def test_address_that_was_taken_away_is_forgotten(serve: Serve, answer: Response) -> None:
    serve(Response(status=200, text=json.dumps(GCE)))
    cloud.ask()
    serve(answer)
    assert cloud.ask() == ""
    assert cloud.names() == ["web-1"]


def test_other_clouds_are_not_asked(serve: Serve) -> None:
    move_to("aws")
    server = serve(Response(status=200, text=json.dumps(GCE)))
    assert cloud.ask() == ""
    assert (server.log, cloud.ANSWER.exists()) == ([], False)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Response(status=503), "HTTP 503"),
        (Response(status=200, text="<html>"), "Expecting value"),
        (Response(status=200, text="1"), "unexpected JSON"),
    ],
)
def test_earlier_answer_stays_when_the_cloud_gives_none(
    serve: Serve, answer: Response, why: str
) -> None:
    serve(Response(status=200, text=json.dumps(GCE)))
    cloud.ask()
    server = serve(answer)
    problem = cloud.ask()
    assert problem.startswith(f"127.0.0.1 does not give this machine's public address: {why}")
    server.close()
    assert "refused" in cloud.ask()
    assert FIRST in cloud.names()


def test_silent_server_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "LIMIT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(cloud, "METADATA", silent.getsockname())
        assert "timed out" in cloud.ask()
