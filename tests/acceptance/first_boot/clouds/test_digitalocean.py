"""On DigitalOcean, with the smallest droplet: its config drive tells cloud-init all."""

import json

import pytest
from acceptance.first_boot.clouds.instance import HOSTNAME, AnInstance, Order, ask
from machine.clouds import DigitalOcean
from machine.qemu import CLOUD_ADDRESS, CLOUD_GATEWAY, CLOUD_RESOLVER

ORDERED = Order(cloud=DigitalOcean(), cpus=1, memory_mib=512, disk_gib=10)
HERE = f"http://{ORDERED.cloud.addresses[0]}"


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_the_network_is_the_one_on_the_drive_and_not_that_of_dhcp(machine):
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


def test_cloud_init_asked_nothing_of_the_service(machine):
    agent = [asked for asked in machine.metadata.log if asked.path.startswith("/metadata/v1.json")]
    assert agent == []


def test_the_service_is_reached_from_inside(machine):
    assert ask(machine, "GET", f"{HERE}/metadata/v1/hostname") == (200, HOSTNAME)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metadata/v1/interfaces/public/0/anchor_ipv4/address", 404),
        ("GET", "/latest/meta-data/iam/security-credentials/", 404),
        ("PUT", "/metadata/v1/hostname", 405),
    ],
)
def test_what_a_droplet_has_not_and_may_not_is_refused_from_inside(machine, method, path, status):
    seen = len(machine.metadata.log)
    assert ask(machine, method, HERE + path)[0] == status
    told = [(asked.method, asked.path, asked.status) for asked in machine.metadata.log[seen:]]
    assert told == [(method, path, status)]
