"""On EC2, with tokens required (IMDSv2)."""

from acceptance.first_boot.clouds.instance import AnInstance, Order
from machine.clouds import Ec2

ORDERED = Order(cloud=Ec2(), cpus=4, memory_mib=4096, disk_gib=40, firmware="uefi")


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_a_token_was_requested_before_any_metadata(machine):
    first, *others = machine.metadata.log
    assert (first.method, first.path, first.status) == ("PUT", "/latest/api/token", 200)
    assert len([request for request in others if request.method != "PUT"]) > 10


def test_every_metadata_request_was_granted(machine):
    # A request without the token gets 401, one for what EC2 does not have 404.
    assert [request for request in machine.metadata.log if request.status != 200] == []


def test_key_was_requested_by_its_number(machine):
    paths = {request.path.partition("/meta-data/")[2] for request in machine.metadata.log}
    assert "public-keys/0/openssh-key" in paths
