"""On Azure, as a machine of generation 2."""

import re
from xml.etree import ElementTree

from acceptance.first_boot.clouds.instance import HOSTNAME, AnInstance, Order
from machine.clouds import Azure

ORDERED = Order(cloud=Azure(), firmware="uefi")


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_machine_was_reported_ready_and_never_failed(machine):
    reports = [request for request in machine.metadata.log if request.method == "POST"]
    assert {(report.path, report.status) for report in reports} == {("/machine?comp=health", 200)}
    (health,) = (ElementTree.fromstring(report.body).find(".//Health") for report in reports)  # noqa: S314
    assert health.findtext("State") == "Ready"


def test_every_metadata_request_was_granted(machine):
    log = machine.metadata.log
    assert len(log) > 2
    assert {request.status for request in log} == {200}
    paths = {request.path.partition("?")[0].rstrip("/") for request in log}
    # The load balancer knows the public address, which Laurel reads and cloud-init does not.
    assert paths == {"/metadata/instance", "/machine", "/metadata/loadbalancer"}


def test_provisioning_cd_gives_name_and_administrator(machine):
    # cloud-init has ejected the CD; it keeps the file and reads it again at each boot.
    text = machine.succeed("cat /var/lib/waagent/ovf-env.xml")
    assert re.findall(r"HostName>(.*?)<", text) == [HOSTNAME]
    assert re.findall(r"UserName>(.*?)<", text) == [machine.login.user]
    assert "seed=/dev/sr0" in machine.succeed("cat /var/lib/cloud/instance/datasource")


def test_administrator_has_no_password(machine):
    shown = machine.succeed(f"passwd --status {machine.login.user}").split()
    assert shown[1] == "L"


def test_card_of_the_metadata_uses_dhcp(machine):
    configured = machine.succeed("cat /etc/systemd/network/10-cloud-init-*.network")
    assert re.findall(r"^DHCP=(\w+)$", configured, re.MULTILINE) == ["ipv4"]
    assert len(re.findall(r"^MACAddress=", configured, re.MULTILINE)) == 1
