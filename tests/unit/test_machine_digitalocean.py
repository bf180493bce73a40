"""DigitalOcean's metadata service and its config drive, by themselves."""

import json
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from machine.clouds import DigitalOcean, DigitalOceanWithoutDrive
from machine.command import run
from machine.qemu import CLOUD_GATEWAY, CLOUD_RESOLVER
from unit.cloud_client import MAC, PUBLIC_KEY, Client, instance, serving, table

CLOUD = DigitalOcean()
DROPLET = instance("345678901")
BARE = instance("345678901", hostname=None, user_data=None)
CARD = "/metadata/v1/interfaces/public/0"


@pytest.fixture
def service() -> Iterator[Client]:
    with serving(CLOUD, DROPLET) as client:
        yield client


@pytest.fixture
def bare() -> Iterator[Client]:
    """For a droplet whose user gave it no user-data."""
    with serving(CLOUD, BARE) as client:
        yield client


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    found = CLOUD.drive(DROPLET)
    assert found is not None
    found.write(tmp_path / "drive.img")
    return tmp_path / "drive.img"


def read(drive: Path, name: str) -> str:
    return run("isoinfo", "-R", "-i", drive, "-x", f"/{name}")


# The service


def test_all_metadata_are_in_one_document(service: Client) -> None:
    told = json.loads(service.text("/metadata/v1.json"))
    assert told["droplet_id"] == 345678901
    assert told["hostname"] == "web-1"
    assert told["public_keys"] == [PUBLIC_KEY]
    assert told["user_data"] == DROPLET.user_data
    assert told["dns"] == {"nameservers": [CLOUD_RESOLVER]}
    (card,) = told["interfaces"]["public"]
    assert (card["mac"], card["type"]) == (MAC, "public")
    # cloud-init takes the first of each kind that there is.
    assert list(told["interfaces"]) == ["public"]
    assert "anchor_ipv4" not in card


def test_the_address_and_the_gateway_are_of_one_network(service: Client) -> None:
    address, netmask = service.text(f"{CARD}/ipv4/address"), service.text(f"{CARD}/ipv4/netmask")
    network = IPv4Network(f"{address}/{netmask}", strict=False)
    assert address == DROPLET.address
    for neighbour in (service.text(f"{CARD}/ipv4/gateway"), CLOUD_RESOLVER):
        assert IPv4Address(neighbour) in network
    assert service.text(f"{CARD}/ipv4/gateway") == CLOUD_GATEWAY


def test_each_thing_is_told_by_itself(service: Client) -> None:
    top = "/metadata/v1"
    assert service.text(f"{top}/id") == DROPLET.identity
    assert service.text(f"{top}/hostname") == "web-1"
    assert service.text(f"{top}/public-keys") == PUBLIC_KEY
    assert service.text(f"{top}/user-data") == DROPLET.user_data
    assert service.text(f"{top}/reserved_ip/ipv4/ip_address") == CLOUD.reserved_ipv4
    assert service.text(f"{top}/reserved_ip/ipv4/active") == "true"
    assert service.text(f"{CARD}/mac") == MAC


def test_each_thing_that_is_listed_is_there(service: Client) -> None:
    folders, leaves = ["/metadata/v1/"], 0
    while folders:
        folder = folders.pop()
        for name in service.text(folder).splitlines():
            if name.endswith("/"):
                folders.append(folder + name)
            else:
                assert service.text(folder + name)
                leaves += 1
    assert leaves == 17


def test_a_list_without_its_slash_is_elsewhere(service: Client) -> None:
    for path in ("/metadata/v1", CARD):
        answer = service.ask("GET", path)
        assert (answer.status_code, answer.headers["Location"]) == (301, f"{path}/")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metadata",
        "/metadata/",
        "/metadata/v1x",
        "/metadata/v2/",
        "/metadata/v1/no",
        "/metadata/v1/hostname/",
        "/metadata/v1/hostname/more",
        f"{CARD}/anchor_ipv4/address",
        "/metadata/v1/interfaces/private/",
        "/latest/meta-data/",
        "/openstack/latest/meta_data.json",
    ],
)
def test_what_there_is_not_is_not_found(service: Client, path: str) -> None:
    assert service.status(path) == 404


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_metadata_are_only_read(service: Client, method: str) -> None:
    assert service.status("/metadata/v1/hostname", method) == 405
    assert service.status("/metadata/v1.json", method) == 405


def test_no_user_data_are_none(bare: Client) -> None:
    assert bare.status("/metadata/v1/user-data") == 404
    assert "user_data" not in json.loads(bare.text("/metadata/v1.json"))
    assert "user-data" not in bare.text("/metadata/v1/").splitlines()


# The drive


def test_the_drive_has_the_label_by_which_cloud_init_finds_it(drive: Path) -> None:
    shown = run("blkid", "-p", "-o", "export", drive).splitlines()
    assert {"LABEL=config-2", "TYPE=iso9660"} <= set(shown)


def test_the_drive_tells_the_same_in_each_version(drive: Path) -> None:
    names = {"meta_data.json", "network_data.json", "user_data", "vendor_data.json"}
    listed = run("isoinfo", "-R", "-i", drive, "-f").splitlines()
    for version in ("2012-08-10", "2015-10-16", "latest"):
        folder = f"/openstack/{version}/"
        assert {path.removeprefix(folder) for path in listed if path.startswith(folder)} == names
        for name in names:
            assert read(drive, folder[1:] + name) == read(drive, f"openstack/latest/{name}")


def test_the_drive_tells_what_the_service_tells(drive: Path, service: Client) -> None:
    told = service.text("/metadata/v1.json")
    assert read(drive, "digitalocean_meta_data.json") == told
    metadata: dict[str, Any] = json.loads(read(drive, "openstack/latest/meta_data.json"))
    assert metadata["uuid"] == metadata["instance_id"] == DROPLET.identity
    assert metadata["hostname"] == "web-1"
    assert metadata["public_keys"] == {"0": PUBLIC_KEY}
    assert read(drive, "openstack/latest/user_data") == DROPLET.user_data
    (network,) = json.loads(read(drive, "openstack/latest/network_data.json"))["networks"]
    (card,) = json.loads(told)["interfaces"]["public"]
    (route,) = network["routes"]
    assert network["ip_address"] == card["ipv4"]["ip_address"]
    assert network["netmask"] == card["ipv4"]["netmask"]
    assert route["gateway"] == card["ipv4"]["gateway"]


def test_without_user_data_the_drive_has_an_empty_file() -> None:
    found = CLOUD.drive(BARE)
    assert found is not None
    assert found.files["openstack/latest/user_data"] == ""


def test_a_droplet_can_be_without_the_drive() -> None:
    cloud = DigitalOceanWithoutDrive()
    assert cloud.drive(DROPLET) is None
    assert list(cloud.candidates) == [cloud.datasource, "None"]
    assert list(CLOUD.candidates) == ["ConfigDrive", "DigitalOcean", "None"]


# The machine


def test_by_its_maker_and_its_serial_number_a_machine_knows_which_droplet_it_is() -> None:
    fields = table(CLOUD, DROPLET, 1)
    assert fields["manufacturer"] == "DigitalOcean"
    assert fields["serial"] == DROPLET.identity


def test_a_droplet_has_a_number_of_its_own() -> None:
    numbers = {CLOUD.new_identity() for _ in range(20)}
    assert len(numbers) == 20
    assert all(number.isdecimal() for number in numbers)
