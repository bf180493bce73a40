"""On an OpenStack without DHCP and metadata service: a drive has everything, the address too."""

import json

from acceptance.first_boot.clouds.instance import AnInstance, Order
from machine.clouds import ConfigDrive
from machine.qemu import CLOUD_ADDRESS, CLOUD_GATEWAY, CLOUD_RESOLVER

ORDERED = Order(cloud=ConfigDrive(), disk_gib=20)
DRIVE = "/dev/disk/by-label/config-2"


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_network_is_the_drives(machine):
    links = json.loads(machine.succeed("ip -json -4 address show scope global"))
    ((address,),) = (link["addr_info"] for link in links if link.get("addr_info"))
    assert address["local"] == CLOUD_ADDRESS
    assert "dynamic" not in address  # from DHCP
    (route,) = json.loads(machine.succeed("ip -json -4 route show default"))
    assert (route["gateway"], route["protocol"]) == (CLOUD_GATEWAY, "static")
    resolvers = machine.succeed("cat /run/systemd/resolve/resolv.conf")
    assert f"nameserver {CLOUD_RESOLVER}\n" in resolvers


def test_instance_id_is_the_drives(machine):
    machine.succeed(f"mkdir /run/drive && mount -o ro {DRIVE} /run/drive")
    try:
        metadata = json.loads(machine.succeed("cat /run/drive/openstack/latest/meta_data.json"))
    finally:
        machine.succeed("umount /run/drive && rmdir /run/drive")
    assert metadata["uuid"] == machine.succeed("cat /var/lib/cloud/data/instance-id").strip()


def test_only_root_reads_the_drive(machine):
    machine.succeed(f"head -c 1 {DRIVE} >/dev/null")
    for user in ("site", "www-data"):
        refused = machine.execute(f"runuser -u {user} -- head -c 1 {DRIVE}")
        assert refused.status == 1
        assert "Permission denied" in refused.stderr
