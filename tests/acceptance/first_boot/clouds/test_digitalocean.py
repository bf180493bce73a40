"""On DigitalOcean, with the smallest droplet: cloud-init learns everything from a config drive."""

import json

from acceptance import inside
from acceptance.first_boot.clouds.instance import HOSTNAME, AnInstance, Order
from machine.clouds import DigitalOcean
from machine.qemu import CLOUD_ADDRESS, CLOUD_GATEWAY, CLOUD_RESOLVER

ORDERED = Order(cloud=DigitalOcean(), cpus=1, memory_mib=512, disk_gib=10)


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_network_is_the_drives_and_not_dhcps(machine):
    ((address,),) = (
        card["addr_info"]
        for card in json.loads(machine.succeed("ip -4 -j address show scope global"))
    )
    assert (address["local"], address["prefixlen"]) == (CLOUD_ADDRESS, 16)
    assert "dynamic" not in address
    (route,) = json.loads(machine.succeed("ip -j route show default"))
    assert (route["gateway"], route["protocol"]) == (CLOUD_GATEWAY, "static")
    assert f"nameserver {CLOUD_RESOLVER}\n" in machine.succeed(
        "cat /run/systemd/resolve/resolv.conf"
    )


def test_cloud_init_requested_nothing_from_the_service(machine):
    paths = [request.path for request in machine.metadata.log]
    assert [path for path in paths if path.startswith("/metadata/v1.json")] == []


def test_programs_reach_the_metadata_service(machine):
    (server,) = ORDERED.cloud.addresses
    response = inside.ask(machine, "/metadata/v1/hostname", address=server)
    assert (response.status, response.text) == (200, HOSTNAME)
