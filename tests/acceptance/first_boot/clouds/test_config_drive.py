"""On an OpenStack without DHCP and metadata service: a drive tells all, the address too."""

import json

from acceptance.first_boot.clouds.instance import AnInstance, Order
from machine.clouds import ConfigDrive
from machine.qemu import CLOUD_ADDRESS, CLOUD_GATEWAY, CLOUD_RESOLVER

ORDERED = Order(cloud=ConfigDrive(), disk_gib=20)
DRIVE = "/dev/disk/by-label/config-2"
SERVER = "169.254.169.254"


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_no_metadata_were_asked_for(machine):
    assert machine.metadata.log == []


def test_the_address_the_route_and_the_resolver_are_those_of_the_drive(machine):
    links = json.loads(machine.succeed("ip -json -4 address show scope global"))
    ((address,),) = (link["addr_info"] for link in links if link.get("addr_info"))
    assert address["local"] == CLOUD_ADDRESS
    assert "dynamic" not in address  # of DHCP
    (route,) = json.loads(machine.succeed("ip -json -4 route show default"))
    assert (route["gateway"], route["protocol"]) == (CLOUD_GATEWAY, "static")
    resolvers = machine.succeed("cat /run/systemd/resolve/resolv.conf")
    assert f"nameserver {CLOUD_RESOLVER}\n" in resolvers


def test_the_drive_holds_what_was_read_and_no_more_is_there(machine):
    machine.succeed(f"mkdir /run/drive && mount -o ro {DRIVE} /run/drive")
    try:
        latest = "/run/drive/openstack/latest"
        there = machine.succeed(f"ls {latest}").split()
        assert there == [
            *("meta_data.json", "network_data.json", "user_data"),
            *("vendor_data.json", "vendor_data2.json"),
        ]
        told = json.loads(machine.succeed(f"cat {latest}/meta_data.json"))
    finally:
        machine.succeed("umount /run/drive && rmdir /run/drive")
    assert told["uuid"] == machine.succeed("cat /var/lib/cloud/data/instance-id").strip()


def test_nobody_but_root_reads_the_drive(machine):
    machine.succeed(f"head -c 1 {DRIVE} >/dev/null")
    for user in ("site", "www-data"):
        refused = machine.execute(f"runuser -u {user} -- head -c 1 {DRIVE}")
        assert refused.status == 1
        assert "Permission denied" in refused.stderr


def test_no_server_answers(machine):
    asked = machine.execute(f"timeout 10 bash -c '</dev/tcp/{SERVER}/80'")
    assert asked.status != 0
    assert machine.metadata.log == []
