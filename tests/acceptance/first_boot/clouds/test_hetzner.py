"""On Hetzner Cloud."""

import pytest
from acceptance.first_boot.clouds.instance import HOSTNAME, AnInstance, Order, ask
from machine.clouds import Hetzner

ORDERED = Order(cloud=Hetzner(), memory_mib=4096, disk_gib=40)
HERE = f"http://{ORDERED.cloud.addresses[0]}"
TOP = "/hetzner/v1"


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_the_metadata_and_the_user_data_were_asked_for_and_nothing_that_is_not_there(machine):
    told = {(asked.method, asked.path, asked.status) for asked in machine.metadata.log}
    wanted = {("GET", f"{TOP}/{name}", 200) for name in ("metadata", "userdata")}
    assert wanted <= told
    # With this cloud-init asks whether it has a network already.
    assert told - wanted <= {("GET", f"{TOP}/metadata/instance-id", 200)}


def test_the_vendor_data_did_not_make_root_the_user(machine):
    assert "default_user" in machine.succeed("cat /var/lib/cloud/instance/vendor-data.txt")
    keys = machine.succeed("cat /root/.ssh/authorized_keys").splitlines()
    assert [line for line in keys if line.startswith(machine.public_key)] == []


def test_the_service_is_reached_from_inside(machine):
    assert ask(machine, "GET", f"{HERE}{TOP}/metadata/hostname") == (200, HOSTNAME)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{TOP}/metadata/floating-ips", 404),
        ("GET", "/latest/meta-data/iam/security-credentials/", 404),
        ("PUT", f"{TOP}/userdata", 405),
    ],
)
def test_what_a_server_has_not_and_may_not_is_refused_from_inside(machine, method, path, status):
    seen = len(machine.metadata.log)
    assert ask(machine, method, HERE + path)[0] == status
    told = [(asked.method, asked.path, asked.status) for asked in machine.metadata.log[seen:]]
    assert told == [(method, path, status)]
