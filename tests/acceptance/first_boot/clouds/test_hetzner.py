"""On Hetzner Cloud."""

from acceptance.first_boot.clouds.instance import AnInstance, Order
from machine.clouds import Hetzner
from machine.clouds.hetzner import TOP

ORDERED = Order(cloud=Hetzner(), memory_mib=4096, disk_gib=40)


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_only_metadata_and_user_data_were_requested(machine):
    log = {(request.method, request.path, request.status) for request in machine.metadata.log}
    wanted = {("GET", f"{TOP}/{name}", 200) for name in ("metadata", "userdata")}
    assert wanted <= log
    # With this request cloud-init finds out whether it has a network already.
    assert log - wanted <= {("GET", f"{TOP}/metadata/instance-id", 200)}


def test_vendor_data_did_not_give_the_key_to_root(machine):
    assert "default_user" in machine.succeed("cat /var/lib/cloud/instance/vendor-data.txt")
    keys = machine.succeed("cat /root/.ssh/authorized_keys").splitlines()
    assert [line for line in keys if line.startswith(machine.public_key)] == []
