"""On an OpenStack with DHCP and a metadata service."""

from acceptance.first_boot.clouds.instance import AnInstance, Order
from machine.clouds import OpenStack
from machine.clouds.openstack import MTU

ORDERED = Order(cloud=OpenStack(), disk_gib=20)


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_openstacks_and_ec2s_metadata_were_read(machine):
    paths = [request.path for request in machine.metadata.log]
    assert {path.partition("/")[2].partition("/")[0] for path in paths} == {"openstack", "latest"}
    files = {path.rpartition("/")[2] for path in paths if path.startswith("/openstack/")}
    assert {"meta_data.json", "network_data.json", "user_data"} <= files
    assert "/latest/meta-data/public-ipv4" in paths


def test_every_request_was_granted(machine):
    assert [request for request in machine.metadata.log if request.status != 200] == []


def test_card_is_as_in_the_network_data(machine):
    (mtu,) = machine.succeed("cat /sys/class/net/e*/mtu").split()
    assert int(mtu) == MTU
    assert "DHCP=ipv4" in machine.succeed("cat /etc/systemd/network/*-cloud-init-*.network")
