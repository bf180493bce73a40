"""On EC2, with tokens required (IMDSv2)."""

from acceptance.first_boot.clouds.instance import AnInstance, Order
from machine.clouds import Ec2

ORDERED = Order(cloud=Ec2(), cpus=4, memory_mib=4096, disk_gib=40, firmware="uefi")


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_a_token_was_taken_first_and_shown_with_each_request_for_metadata(machine):
    first, *others = machine.metadata.log
    assert (first.method, first.path, first.status) == ("PUT", "/latest/api/token", 200)
    metadata = [asked for asked in others if asked.method != "PUT"]
    assert len(metadata) > 10
    assert [asked for asked in metadata if asked.token != "valid"] == []


def test_only_what_ec2_has_was_asked_for(machine):
    assert [asked for asked in machine.metadata.log if asked.status != 200] == []


def test_the_key_was_asked_for_by_its_number(machine):
    asked = {asked.path.partition("/meta-data/")[2] for asked in machine.metadata.log}
    assert "public-keys/0/openssh-key" in asked
