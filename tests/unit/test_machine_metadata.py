"""A cloud's metadata server by itself: what EC2's answers, and what is logged of it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from machine import Machine, MachineError
from machine.cloud import Instance
from machine.clouds import Ec2
from machine.metadata import MetadataServer
from unit import cloud_client
from unit.cloud_client import MAC, bare_instance, instance

INSTANCE = instance("i-0123456789abcdef0")
LIFE = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


class Client(cloud_client.Client):
    """Asks with or without a token."""

    def token(self, life: str = "60") -> str:
        answer = self.ask("PUT", "/latest/api/token", **{LIFE: life})
        assert answer.status_code == 200
        assert answer.headers[LIFE] == life
        return answer.text

    def get(self, path: str) -> requests.Response:
        return self.ask("GET", path, **{TOKEN: self.token()})

    def text(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, path
        return answer.text


def serve(instance: Instance) -> Iterator[Client]:
    server = MetadataServer(Ec2().service(instance))
    yield Client(server)
    server.close()


@pytest.fixture
def ec2() -> Iterator[Client]:
    yield from serve(INSTANCE)


@pytest.fixture
def bare() -> Iterator[Client]:
    """An instance whose user gave it no name and no user-data."""
    yield from serve(bare_instance(INSTANCE.identity))


def test_a_token_opens_every_version_that_cloud_init_asks_for(ec2: Client) -> None:
    for version in ("2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23", "latest"):
        assert ec2.text(f"/{version}/meta-data/instance-id") == INSTANCE.identity
        assert version in ec2.text("/").splitlines()
    assert ec2.get("/2099-01-01/meta-data/instance-id").status_code == 404


@pytest.mark.parametrize("life", ["", "0", "-1", "21601", "long"])
def test_a_token_without_a_life_of_up_to_six_hours_is_refused(ec2: Client, life: str) -> None:
    headers = {LIFE: life} if life else {}
    assert ec2.ask("PUT", "/latest/api/token", **headers).status_code == 400


def test_a_token_is_put_and_never_got(ec2: Client) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert ec2.ask(method, "/latest/api/token", **{LIFE: "60"}).status_code == 405


def test_a_token_is_not_for_a_proxy(ec2: Client) -> None:
    answer = ec2.ask("PUT", "/latest/api/token", X_Forwarded_For="192.0.2.1", **{LIFE: "60"})
    assert answer.status_code == 403
    assert answer.text == ""


@pytest.mark.parametrize("path", ["/", "/latest/meta-data/instance-id", "/latest/user-data", "/no"])
def test_without_a_token_that_holds_nothing_is_told(ec2: Client, path: str) -> None:
    assert ec2.ask("GET", path).status_code == 401
    assert ec2.ask("GET", path, **{TOKEN: "made up"}).status_code == 401


def test_a_token_ends(ec2: Client) -> None:
    token = ec2.token("1")
    path = "/latest/meta-data/mac"
    assert ec2.ask("GET", path, **{TOKEN: token}).status_code == 200
    time.sleep(1.1)
    assert ec2.ask("GET", path, **{TOKEN: token}).status_code == 401


def test_metadata_are_only_read(ec2: Client) -> None:
    for method in ("PUT", "POST", "DELETE"):
        answer = ec2.ask(method, "/latest/meta-data/mac", **{TOKEN: ec2.token()})
        assert answer.status_code == 405


def test_a_folder_is_listed_with_and_without_its_slash(ec2: Client) -> None:
    for path in ("/latest/meta-data", "/latest/meta-data/"):
        listed = ec2.text(path).splitlines()
        assert {"instance-id", "network/", "public-keys/"} <= set(listed)
    assert ec2.text("/latest").splitlines() == ["dynamic/", "meta-data/", "user-data"]
    assert ec2.text("/latest/meta-data/network/interfaces/macs/") == f"{MAC}/"


def test_each_thing_that_is_listed_is_there(ec2: Client) -> None:
    folders, leaves = ["/latest/"], 0
    while folders:
        folder = folders.pop()
        for name in ec2.text(folder).splitlines():
            if name.endswith("/"):
                folders.append(folder + name)
            elif "=" in name:
                assert ec2.text(f"{folder}{name.partition('=')[0]}/") == "openssh-key"
            else:
                assert ec2.text(folder + name)
                leaves += 1
    assert leaves > 40
    assert {asked.status for asked in ec2.server.log} == {200}


def test_the_instance_is_what_its_user_and_its_cloud_made_it(ec2: Client) -> None:
    top = "/latest/meta-data"
    card = f"{top}/network/interfaces/macs/{MAC}"
    assert ec2.text(f"{top}/public-keys/") == "0=laurel"
    assert ec2.text(f"{top}/public-keys/0/openssh-key") == INSTANCE.public_key
    assert ec2.text(f"{top}/hostname") == ec2.text(f"{top}/local-hostname") == "web-1"
    assert ec2.text(f"{top}/local-ipv4") == ec2.text(f"{card}/local-ipv4s") == INSTANCE.address
    assert ec2.text(f"{top}/public-ipv4") == ec2.text(f"{card}/public-ipv4s") == "203.0.113.25"
    assert ec2.text(f"{top}/public-hostname") == Ec2().public_hostname
    assert ec2.text(f"{top}/mac") == ec2.text(f"{card}/mac") == MAC
    assert ec2.text("/latest/user-data") == INSTANCE.user_data
    document = json.loads(ec2.text("/latest/dynamic/instance-identity/document"))
    assert document["instanceId"] == INSTANCE.identity
    assert ec2.text(f"{top}/placement/availability-zone") == document["availabilityZone"]


@pytest.mark.parametrize(
    "path",
    [
        "/latest/meta-data/iam/",
        "/latest/meta-data/iam/info",
        "/latest/meta-data/iam/security-credentials/",
        "/latest/meta-data/tags/instance/",
        "/latest/meta-data/public-keys/1/openssh-key",
        "/latest/meta-data/instance-id/more",
        "/latest/vendor-data",
        "/computeMetadata/v1/",
        "/openstack/latest/meta_data.json",
    ],
)
def test_what_the_instance_has_not_is_not_found(ec2: Client, path: str) -> None:
    assert ec2.get(path).status_code == 404


def test_without_a_name_and_user_data_it_has_its_clouds_name_and_no_user_data(bare: Client) -> None:
    name = "ip-172-31-0-15.eu-central-1.compute.internal"
    assert bare.text("/latest/meta-data/local-hostname") == name
    assert bare.get("/latest/user-data").status_code == 404
    assert bare.text("/latest").splitlines() == ["dynamic/", "meta-data/"]


def test_all_that_is_asked_is_logged_in_order_with_what_it_had_to_show(ec2: Client) -> None:
    ec2.ask("GET", "/latest/user-data")
    ec2.get("/latest/meta-data/iam/")
    ec2.ask("GET", "/latest/meta-data/mac", **{TOKEN: "made up"})
    ec2.ask("HEAD", "/latest/meta-data/mac?x", **{TOKEN: ec2.token()})
    told = [(line.method, line.path, line.token, line.status) for line in ec2.server.log]
    assert told == [
        ("GET", "/latest/user-data", "none", 401),
        ("PUT", "/latest/api/token", "none", 200),
        ("GET", "/latest/meta-data/iam/", "valid", 404),
        ("GET", "/latest/meta-data/mac", "wrong", 401),
        ("PUT", "/latest/api/token", "none", 200),
        ("HEAD", "/latest/meta-data/mac?x", "valid", 404),
    ]


def test_by_its_uuid_a_machine_knows_that_it_is_on_ec2() -> None:
    (table,) = Ec2().smbios(INSTANCE)
    fields = dict(part.split("=") for part in table.split(","))
    assert fields["type"] == "1"
    assert fields["manufacturer"] == "Amazon EC2"
    assert fields["uuid"].startswith("ec2")
    assert len(fields["uuid"]) == 36
    assert fields["uuid"] == fields["serial"]


def test_a_closed_server_listens_no_more_and_keeps_its_log(ec2: Client) -> None:
    ec2.text("/latest/meta-data/mac")
    ec2.server.close()
    ec2.server.close()
    with pytest.raises(requests.ConnectionError):
        ec2.ask("GET", "/")
    assert len(ec2.server.log) == 2


def test_a_cloud_needs_a_network(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="a cloud's metadata need a network"):
        Machine(tmp_path / "disk.qcow2", name="none", accelerator="tcg", cloud=Ec2(), network=False)
