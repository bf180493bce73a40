"""OpenStack's metadata by themselves: the service's answers, and the drive."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from machine.cloud import Instance
from machine.clouds import ConfigDrive, OpenStack
from machine.clouds.openstack import EC2_VERSIONS, VERSIONS
from machine.metadata import MetadataServer
from unit.cloud_client import MAC, Client, bare_instance, instance

INSTANCE = instance("01234567-89ab-4cde-8f01-23456789abcd")
BARE = bare_instance(INSTANCE.identity)


class Reader(Client):
    """Asks, and shows nothing."""

    def text(self, path: str) -> str:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, path
        return answer.text

    def json(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, path
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json()


def serve(of: Instance) -> Iterator[Reader]:
    server = MetadataServer(OpenStack().service(of))
    yield Reader(server)
    server.close()


@pytest.fixture
def openstack() -> Iterator[Reader]:
    yield from serve(INSTANCE)


@pytest.fixture
def bare() -> Iterator[Reader]:
    yield from serve(BARE)


# The service


def test_every_version_of_either_kind_is_listed_and_there(openstack: Reader) -> None:
    assert tuple(openstack.text("/openstack").splitlines()) == VERSIONS
    assert tuple(openstack.text("/openstack/").splitlines()) == VERSIONS
    for root in ("/", "/ec2", "/ec2/"):
        assert tuple(openstack.text(root).splitlines()) == EC2_VERSIONS
    for version in VERSIONS:
        for name in openstack.text(f"/openstack/{version}/").splitlines():
            openstack.text(f"/openstack/{version}/{name}")
    for version in EC2_VERSIONS:
        assert openstack.text(f"/{version}/").splitlines() == ["meta-data/", "user-data"]


def test_a_file_is_there_from_the_version_on_that_brought_it(openstack: Reader) -> None:
    oldest = openstack.text("/openstack/2012-08-10").splitlines()
    assert oldest == ["meta_data.json", "user_data"]
    path = "/openstack/2013-10-17/network_data.json"
    assert openstack.ask("GET", path).status_code == 404
    assert openstack.ask("GET", "/openstack/2012-08-10/password").status_code == 404
    newest = openstack.text("/openstack/latest").splitlines()
    assert sorted(newest) == [
        *("meta_data.json", "network_data.json", "password", "user_data"),
        *("vendor_data.json", "vendor_data2.json"),
    ]


def test_the_instance_is_what_its_user_and_its_cloud_made_it(openstack: Reader) -> None:
    told = openstack.json("/openstack/latest/meta_data.json")
    assert (told["uuid"], told["name"]) == (INSTANCE.identity, "web-1")
    assert told["hostname"] == "web-1.novalocal"
    assert told["public_keys"] == {"laurel": INSTANCE.public_key}
    assert [key["data"] for key in told["keys"]] == [INSTANCE.public_key]
    assert len(base64.b64decode(told["random_seed"])) == 512
    assert openstack.text("/openstack/latest/user_data") == INSTANCE.user_data


def test_its_address_comes_by_dhcp(openstack: Reader) -> None:
    told = openstack.json("/openstack/latest/network_data.json")
    (link,), (network,) = told["links"], told["networks"]
    assert (link["ethernet_mac_address"], link["id"]) == (MAC, network["link"])
    assert network["type"] == "ipv4_dhcp"
    assert "ip_address" not in network


def test_each_of_ec2s_kind_that_is_listed_is_there(openstack: Reader) -> None:
    folders, told = ["/latest/meta-data/"], {}
    while folders:
        folder = folders.pop()
        for name in openstack.text(folder).splitlines():
            if name.endswith("/"):
                folders.append(folder + name)
            elif "=" in name:
                key = f"{folder}{name.partition('=')[0]}/openssh-key"
                assert openstack.text(key) == INSTANCE.public_key
            else:
                told[name] = openstack.text(folder + name)
    assert len(told) > 12
    assert told["public-ipv4"] == OpenStack().floating_ipv4
    assert told["local-ipv4"] == INSTANCE.address
    assert told["local-hostname"] == told["public-hostname"] == "web-1.novalocal"
    assert openstack.text("/latest/user-data") == INSTANCE.user_data
    assert openstack.text("/ec2/latest/meta-data/local-ipv4") == INSTANCE.address


def test_without_a_name_and_user_data_it_has_its_clouds_name_and_no_user_data(
    bare: Reader,
) -> None:
    told = bare.json("/openstack/latest/meta_data.json")
    assert told["hostname"] == f"server-{BARE.identity}.novalocal"
    for path in ("/openstack/latest/user_data", "/latest/user-data"):
        assert bare.ask("GET", path).status_code == 404
    assert bare.text("/latest") == "meta-data/"
    assert "user_data" not in bare.text("/openstack/latest").splitlines()


@pytest.mark.parametrize(
    "path",
    [
        "/openstack/2099-01-01/meta_data.json",
        "/openstack/latest/no.json",
        "/openstack/latest/meta_data.json/more",
        "/openstack/content/0000",
        "/2099-01-01/meta-data/",
        "/latest/meta-data/iam/",
        "/latest/meta-data/public-keys/1/openssh-key",
        "/latest/dynamic/instance-identity/document",
        "/latest/api/token",
        "/computeMetadata/v1/",
    ],
)
def test_what_the_instance_has_not_is_not_found(openstack: Reader, path: str) -> None:
    for method in ("GET", "PUT"):
        answer = openstack.ask(method, path)
        assert answer.status_code == 404
        assert "<h1>404 Not Found</h1>" in answer.text
        assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"


def test_a_password_is_taken_once_and_never_replaced(openstack: Reader) -> None:
    where = "/openstack/2013-04-04/password"
    asked = [("GET", ""), ("PUT", "x"), ("POST", "one"), ("POST", "two"), ("DELETE", "")]
    statuses = [openstack.ask(method, where, body).status_code for method, body in asked]
    assert statuses == [200, 400, 200, 409, 400]
    assert openstack.text(where) == "one"


# The drive


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """The CD, as a file."""
    path = tmp_path / "drive.img"
    ConfigDrive().drive(INSTANCE).write(path)
    return path


def read(drive: Path, *options: str) -> str:
    command = ["isoinfo", "-R", *options, "-i", drive]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_drive_is_a_cd_with_its_label_and_every_version(drive: Path) -> None:
    found = subprocess.run(
        ["blkid", "-p", "-o", "export", drive], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {"LABEL=config-2", "TYPE=iso9660"} <= set(found)
    there = set(read(drive, "-f").splitlines())
    for version in VERSIONS:
        assert f"/openstack/{version}/meta_data.json" in there
    assert "/openstack/2012-08-10/network_data.json" not in there
    assert {"/ec2/latest/meta-data.json", "/ec2/latest/user-data"} <= there
    assert not [path for path in there if "password" in path]


def test_the_drive_says_what_the_service_would_and_the_address(drive: Path) -> None:
    latest = "/openstack/latest"
    told = json.loads(read(drive, "-x", f"{latest}/meta_data.json"))
    assert (told["uuid"], told["hostname"]) == (INSTANCE.identity, "web-1.novalocal")
    assert read(drive, "-x", f"{latest}/user_data") == INSTANCE.user_data
    (network,) = json.loads(read(drive, "-x", f"{latest}/network_data.json"))["networks"]
    assert (network["type"], network["ip_address"]) == ("ipv4", INSTANCE.address)
    assert (network["netmask"], network["routes"][0]["gateway"]) == ("240.0.0.0", "172.31.0.1")
    assert network["services"] == [{"address": "172.31.0.2", "type": "dns"}]
    ec2 = json.loads(read(drive, "-x", "/ec2/latest/meta-data.json"))
    assert ec2["public-ipv4"] == ConfigDrive().floating_ipv4
    assert ec2["public-keys"]["0"]["openssh-key"] == INSTANCE.public_key


def test_the_drive_of_an_instance_without_user_data_has_none() -> None:
    files = ConfigDrive().drive(BARE).files
    assert not [path for path in files if "user" in path]


def test_a_cloud_has_the_drive_or_the_service() -> None:
    assert OpenStack().drive(INSTANCE) is None
    assert OpenStack().addresses
    assert not ConfigDrive().addresses


# The machine


@pytest.mark.parametrize("cloud", [OpenStack(), ConfigDrive()])
def test_by_its_product_a_machine_knows_that_it_is_on_openstack(cloud: OpenStack) -> None:
    (table,) = cloud.smbios(INSTANCE)
    fields = dict(part.split("=") for part in table.split(","))
    assert (fields["type"], fields["product"]) == ("1", "OpenStack Nova")
    assert fields["uuid"] == fields["serial"] == INSTANCE.identity


def test_no_identity_looks_like_one_of_ec2() -> None:
    found = {OpenStack().new_identity() for _ in range(200)}
    assert len(found) == 200
    assert all(str(UUID(identity)) == identity and identity[0] == "0" for identity in found)
