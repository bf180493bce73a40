"""Hetzner's metadata service by itself."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from machine.clouds import Hetzner
from unit.cloud_client import MAC, PUBLIC_KEY, Client, instance, serving, table

CLOUD = Hetzner()
SERVER = instance("43210987")
TOP = "/hetzner/v1"


@pytest.fixture
def service() -> Iterator[Client]:
    with serving(CLOUD, SERVER) as client:
        yield client


def all_of(service: Client) -> dict[str, Any]:
    """The document with everything: a line each, whose value is JSON as YAML may be."""
    lines = service.text(f"{TOP}/metadata").splitlines()
    pairs = (line.partition(": ") for line in lines)
    return {name: json.loads(value) for name, _, value in pairs}


def test_all_metadata_are_in_one_document(service: Client) -> None:
    told = all_of(service)
    assert told["instance-id"] == 43210987
    assert told["hostname"] == "web-1"
    assert told["public-ipv4"] == SERVER.address
    assert told["public-keys"] == [PUBLIC_KEY]
    (card,) = told["network-config"]["config"]
    assert card["mac_address"] == MAC
    assert [subnet["type"] for subnet in card["subnets"]] == ["dhcp"]


def test_each_thing_is_told_by_itself(service: Client) -> None:
    told = all_of(service)
    assert len(told) == 10
    for name, value in told.items():
        text = service.text(f"{TOP}/metadata/{name}")
        assert text == value if isinstance(value, str) else json.loads(text) == value
    assert service.text(f"{TOP}/metadata/instance-id") == SERVER.identity
    assert service.text(f"{TOP}/metadata/private-networks") == "[]\n"


def test_user_data_are_beside_the_metadata(service: Client) -> None:
    assert service.text(f"{TOP}/userdata") == SERVER.user_data


def test_no_user_data_are_an_empty_text() -> None:
    with serving(CLOUD, instance("43210987", hostname=None, user_data=None)) as service:
        assert service.text(f"{TOP}/userdata") == ""
        assert service.text(f"{TOP}/metadata/hostname")


def test_the_vendor_data_would_give_the_key_to_root(service: Client) -> None:
    header, _, body = all_of(service)["vendor_data"].partition("\n")
    assert header == "#cloud-config"
    assert json.loads(body)["system_info"]["default_user"]["name"] == "root"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/hetzner",
        f"{TOP}/",
        f"{TOP}/metadata/",
        f"{TOP}/metadata/no",
        f"{TOP}/metadata/hostname/more",
        f"{TOP}/hostname",
        "/hetzner/v2/metadata",
        "/latest/meta-data/",
        "/metadata/v1.json",
        "/instance-id",
    ],
)
def test_what_there_is_not_is_not_found(service: Client, path: str) -> None:
    assert service.status(path) == 404


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["metadata", "metadata/hostname", "userdata"])
def test_metadata_are_only_read(service: Client, method: str, path: str) -> None:
    assert service.status(f"{TOP}/{path}", method) == 405


def test_by_its_maker_and_its_serial_number_a_machine_knows_which_server_it_is() -> None:
    fields = table(CLOUD, SERVER, 1)
    assert fields["manufacturer"] == "Hetzner"
    assert fields["serial"] == SERVER.identity


def test_a_server_has_a_number_of_its_own() -> None:
    numbers = {CLOUD.new_identity() for _ in range(20)}
    assert len(numbers) == 20
    assert all(number.isdecimal() for number in numbers)
