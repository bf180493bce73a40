"""On Azure, as a machine of generation 2."""

import re
from xml.etree import ElementTree

import pytest
from acceptance.first_boot.clouds.instance import HOSTNAME, AnInstance, Order, ask
from machine.clouds import Azure
from machine.clouds.azure import IMDS, WIRE_SERVER

ORDERED = Order(cloud=Azure(), firmware="uefi")
SHOWN = {"Metadata": "true"}
VERSION = "api-version=2021-08-01"
AGENT = {"x-ms-version": "2012-11-30"}


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_the_machine_was_reported_ready_once_and_never_as_failed(machine):
    reports = [asked for asked in machine.metadata.log if asked.method == "POST"]
    assert {(asked.path, asked.status) for asked in reports} == {("/machine?comp=health", 200)}
    (state,) = (ElementTree.fromstring(asked.body).find(".//Health") for asked in reports)  # noqa: S314
    assert state.findtext("State") == "Ready"


def test_with_each_request_was_shown_what_it_needs_and_each_was_granted(machine):
    log = machine.metadata.log
    assert len(log) > 2
    assert {(asked.token, asked.status) for asked in log} == {("valid", 200)}
    paths = {asked.path.partition("?")[0].rstrip("/") for asked in log}
    # The last of them by the site: cloud-init leaves the public address out.
    assert paths == {"/metadata/instance", "/machine", "/metadata/loadbalancer"}


def test_its_name_and_its_administrator_are_those_of_the_provisioning_cd(machine):
    # By then the CD is ejected; cloud-init keeps its file, which it reads again at each boot.
    text = machine.succeed("cat /var/lib/waagent/ovf-env.xml")
    assert re.findall(r"HostName>(.*?)<", text) == [HOSTNAME]
    assert re.findall(r"UserName>(.*?)<", text) == [machine.login.user]
    assert "seed=/dev/sr0" in machine.succeed("cat /var/lib/cloud/instance/datasource")


def test_its_administrator_has_no_password(machine):
    shown = machine.succeed(f"passwd --status {machine.login.user}").split()
    assert shown[1] == "L"


def test_the_card_that_the_metadata_name_has_its_address_by_dhcp(machine):
    configured = machine.succeed("cat /etc/systemd/network/10-cloud-init-*.network")
    assert re.findall(r"^DHCP=(\w+)$", configured, re.MULTILINE) == ["ipv4"]
    assert len(re.findall(r"^MACAddress=", configured, re.MULTILINE)) == 1


def test_the_public_address_is_told_from_inside_with_the_load_balancer(machine):
    address = f"http://{IMDS}/metadata/loadbalancer?{VERSION}"
    status, text = ask(machine, "GET", address, SHOWN)
    assert (status, ORDERED.cloud.public_ipv4 in text) == (200, True)


@pytest.mark.parametrize(
    ("method", "server", "path", "headers", "status"),
    [
        ("GET", IMDS, f"/metadata/instance?{VERSION}", {}, 400),
        ("GET", IMDS, "/metadata/instance", SHOWN, 400),
        ("GET", IMDS, f"/metadata/instance?{VERSION}", {**SHOWN, "X-Forwarded-For": "::1"}, 400),
        ("GET", IMDS, f"/metadata/reprovisiondata?{VERSION}", SHOWN, 404),
        ("GET", IMDS, f"/metadata/identity/oauth2/token?{VERSION}", SHOWN, 400),
        ("PUT", IMDS, f"/metadata/instance?{VERSION}", SHOWN, 405),
        ("GET", WIRE_SERVER, "/machine/?comp=goalstate", {}, 400),
        ("GET", WIRE_SERVER, "/machine/?comp=certificates", AGENT, 404),
        ("GET", WIRE_SERVER, f"/metadata/instance?{VERSION}", {**AGENT, **SHOWN}, 404),
    ],
)
def test_what_a_machine_has_not_and_may_not_is_refused_from_inside(
    machine, method, server, path, headers, status
):
    seen = len(machine.metadata.log)
    assert ask(machine, method, f"http://{server}{path}", headers)[0] == status
    told = [(asked.method, asked.path, asked.status) for asked in machine.metadata.log[seen:]]
    assert told == [(method, path, status)]
