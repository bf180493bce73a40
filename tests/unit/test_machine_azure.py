"""Azure's two services and its provisioning CD, by themselves."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from machine.cloud import Instance
from machine.clouds import Azure
from machine.command import run
from unit.cloud_client import PUBLIC_KEY, Client, instance, serving, table

CLOUD = Azure()
MACHINE = instance("0f8fad5b-d9cb-469f-a165-70867728950e")
SHOWN = {"Metadata": "true"}
VERSION = "api-version=2021-08-01"
INSTANCE = f"/metadata/instance?{VERSION}"
WIRE = {"Host": "168.63.129.16"}
AGENT = {**WIRE, "x-ms-version": "2012-11-30"}
OVF = {"wa": "http://schemas.microsoft.com/windowsazure"}


@pytest.fixture
def service() -> Iterator[Client]:
    with serving(CLOUD, MACHINE) as client:
        yield client


def provisioning(path: Path, machine: Instance = MACHINE) -> ElementTree.Element:
    """What the CD says, after it was written to a file and read from there."""
    drive = CLOUD.drive(machine)
    assert drive is not None
    drive.write(path)
    text = run("isoinfo", "-R", "-i", path, "-x", "/ovf-env.xml")
    found = ElementTree.fromstring(text).find(".//wa:LinuxProvisioningConfigurationSet", OVF)  # noqa: S314
    assert found is not None
    return found


# The Instance Metadata Service


def test_the_instance_is_what_its_user_and_its_cloud_made_it(service: Client) -> None:
    told = json.loads(service.text(INSTANCE, **SHOWN))
    compute = told["compute"]
    assert compute["vmId"] == MACHINE.identity
    assert compute["name"] == compute["osProfile"]["computerName"] == "web-1"
    assert compute["osProfile"]["adminUsername"] == MACHINE.user
    assert [key["keyData"] for key in compute["publicKeys"]] == [PUBLIC_KEY]
    (card,) = told["network"]["interface"]
    assert card["macAddress"] == "525400000001"
    (address,) = card["ipv4"]["ipAddress"]
    assert address["privateIpAddress"] == MACHINE.address


def test_a_standard_address_is_told_with_the_load_balancer_alone(service: Client) -> None:
    (card,) = json.loads(service.text(INSTANCE, **SHOWN))["network"]["interface"]
    assert card["ipv4"]["ipAddress"][0]["publicIpAddress"] == ""
    told = json.loads(service.text(f"/metadata/loadbalancer?{VERSION}", **SHOWN))
    (pair,) = told["loadbalancer"]["publicIpAddresses"]
    assert pair == {"frontendIpAddress": CLOUD.public_ipv4, "privateIpAddress": MACHINE.address}


def test_a_basic_address_is_told_with_the_card() -> None:
    cloud = Azure(sku="Basic")
    with serving(cloud, MACHINE) as service:
        (card,) = json.loads(service.text(INSTANCE, **SHOWN))["network"]["interface"]
        assert [card["ipv4"]["ipAddress"][0]["publicIpAddress"]] == list(cloud.public)
        assert service.status(f"/metadata/loadbalancer?{VERSION}", **SHOWN) == 404


@pytest.mark.parametrize("path", [INSTANCE, "/metadata/versions", "/", "/no"])
def test_without_its_header_nothing_is_told(service: Client, path: str) -> None:
    assert service.status(path) == 400
    assert service.status(path, Metadata="false") == 400
    assert service.status(path, Metadata="true", X_Forwarded_For="192.0.2.1") == 400
    assert [asked.token for asked in service.server.log] == ["none", "wrong", "valid"]


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=2099-01-01"])
def test_without_a_version_nothing_is_told_but_the_versions(service: Client, query: str) -> None:
    answer = service.ask("GET", f"/metadata/instance{query}", **SHOWN)
    assert answer.status_code == 400
    newest = answer.json()["newest-versions"]
    assert json.loads(service.text("/metadata/versions", **SHOWN))["apiVersions"][-1] == newest[0]


def test_the_extended_metadata_that_cloud_init_asks_for_are_the_same(service: Client) -> None:
    text = service.text(f"{INSTANCE}&extended=true", **SHOWN)
    assert text == service.text(INSTANCE, **SHOWN)


def test_a_single_thing_is_told_as_text(service: Client) -> None:
    leaf = f"/metadata/instance/compute/vmId?{VERSION}"
    assert service.status(leaf, **SHOWN) == 400
    assert service.text(f"{leaf}&format=text", **SHOWN) == MACHINE.identity
    address = "/metadata/instance/network/interface/0/ipv4/ipAddress/0/privateIpAddress"
    assert service.text(f"{address}?{VERSION}&format=text", **SHOWN) == MACHINE.address


@pytest.mark.parametrize(
    "path",
    [
        "/metadata/reprovisiondata",
        "/metadata/instance/no",
        "/metadata/instance/network/interface/1",
        "/metadata/instance/compute/vmId/more",
        "/latest/meta-data/",
    ],
)
def test_what_there_is_not_is_not_found(service: Client, path: str) -> None:
    assert service.status(f"{path}?{VERSION}", **SHOWN) == 404


def test_a_machine_without_an_identity_gets_no_token(service: Client) -> None:
    query = f"{VERSION}&resource=https://vault.azure.net"
    assert service.status(f"/metadata/identity/oauth2/token?{query}", **SHOWN) == 400


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_metadata_are_only_read(service: Client, method: str) -> None:
    assert service.status(INSTANCE, method, **SHOWN) == 405


# The wire server


def test_the_wire_server_is_told_by_its_address(service: Client) -> None:
    versions = ElementTree.fromstring(service.text("/?comp=versions", **WIRE))  # noqa: S314
    assert versions.findtext("./Preferred/Version") == "2015-04-05"
    assert service.status("/?comp=versions", **SHOWN) != 200
    assert service.status(INSTANCE, **AGENT, **SHOWN) == 404


def test_the_goal_state_names_the_machine(service: Client) -> None:
    goal = ElementTree.fromstring(service.text("/machine/?comp=goalstate", **AGENT))  # noqa: S314
    assert goal.findtext("./Machine/ExpectedState") == "Started"
    assert goal.findtext("./Incarnation") == "1"
    assert goal.findtext("./Container/ContainerId")
    role = goal.find("./Container/RoleInstanceList/RoleInstance")
    assert role is not None
    assert (role.findtext("./InstanceId") or "").endswith("web-1")
    links = [each.text or "" for each in role.iterfind("./Configuration/*")][:-1]
    assert len(links) == 4
    for link in links:
        path = link.removeprefix("http://168.63.129.16:80")
        assert service.status(path, **AGENT) == 200


def test_a_report_of_health_is_taken_and_kept(service: Client) -> None:
    report = "<Health><State>Ready</State></Health>"
    answer = service.ask("POST", "/machine?comp=health", body=report, **AGENT)
    assert (answer.status_code, answer.text) == (200, "")
    (asked,) = service.server.log
    assert asked.body.decode() == report
    assert service.status("/machine?comp=health", **AGENT) == 405


@pytest.mark.parametrize("version", [None, "2099-01-01"])
def test_an_agent_of_no_version_is_told_nothing(service: Client, version: str | None) -> None:
    headers = WIRE if version is None else {**WIRE, "x-ms-version": version}
    assert service.status("/machine/?comp=goalstate", **headers) == 400
    assert service.status("/machine?comp=health", "POST", **headers) == 400


@pytest.mark.parametrize("path", ["/machine/", "/machine?comp=no", "/no", "/"])
def test_what_the_wire_server_has_not_is_not_found(service: Client, path: str) -> None:
    assert service.status(path, **AGENT) == 404


# The CD and the machine


def test_the_cd_tells_the_administrator_and_the_custom_data(tmp_path: Path) -> None:
    told = provisioning(tmp_path / "drive.img")
    assert told.findtext("wa:HostName", namespaces=OVF) == "web-1"
    assert told.findtext("wa:UserName", namespaces=OVF) == MACHINE.user
    assert told.findtext("wa:DisableSshPasswordAuthentication", namespaces=OVF) == "true"
    assert told.findtext("wa:SSH/wa:PublicKeys/wa:PublicKey/wa:Value", namespaces=OVF) == PUBLIC_KEY
    custom_data = told.findtext("wa:CustomData", namespaces=OVF)
    assert base64.b64decode(custom_data or "").decode() == MACHINE.user_data


def test_without_custom_data_the_cd_has_none(tmp_path: Path) -> None:
    bare = instance(MACHINE.identity, hostname=None, user_data=None)
    told = provisioning(tmp_path / "drive.img", bare)
    assert told.find("wa:CustomData", OVF) is None
    assert told.findtext("wa:HostName", namespaces=OVF)


def test_the_cd_has_udf_as_azures_has(tmp_path: Path) -> None:
    provisioning(tmp_path / "drive.img")
    shown = run("blkid", "-p", "-o", "export", tmp_path / "drive.img").splitlines()
    # Not one of those by which cloud-init takes a drive for another cloud's.
    assert {"LABEL=rd_rdfe_stable", "TYPE=udf"} <= set(shown)


def test_by_its_chassis_a_machine_knows_that_it_is_on_azure() -> None:
    assert table(CLOUD, MACHINE, 3)["asset"] == "7783-7084-3265-9085-8269-3286-77"
    system = table(CLOUD, MACHINE, 1)
    assert (system["manufacturer"], system["product"]) == (
        "Microsoft Corporation",
        "Virtual Machine",
    )
    assert system["uuid"] == MACHINE.identity
