"""On GCE, whose metadata server has a name and requires a header."""

from acceptance.first_boot.clouds.instance import AnInstance, Order
from machine.cloud import PUBLIC_IPV4
from machine.clouds import Gce
from machine.clouds.gce import FLAVOR, NAME, TOP

GCE = Gce()
ORDERED = Order(cloud=GCE, firmware="uefi")
HOST_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256")


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_every_request_had_the_header(machine):
    log = machine.metadata.log
    assert len(log) > 5
    assert {request.headers.get("metadata-flavor") for request in log} == {FLAVOR}


def test_every_request_was_granted_except_publishing_host_keys(machine):
    log = {(each.method, each.path, each.status) for each in machine.metadata.log}
    # An instance may publish its host keys only if its user allows it.
    where = f"{TOP}instance/guest-attributes/hostkeys"
    refused = {("PUT", f"{where}/{kind}", 403) for kind in HOST_KEY_TYPES}
    assert {each for each in log if each[2] != 200} == refused


def test_laurel_requests_the_address_that_cloud_init_omits(machine):
    assert "network-interfaces" not in machine.succeed("cat /run/cloud-init/instance-data.json")
    path = f"{TOP}instance/network-interfaces/?recursive=true"
    assert path in [request.path for request in machine.metadata.log]
    assert machine.succeed("cat /run/laurel/cloud-addresses").split() == [PUBLIC_IPV4]


def test_blocked_project_key_opens_nothing(machine):
    paths = [request.path for request in machine.metadata.log]
    assert [path for path in paths if path.startswith(f"{TOP}project/attributes/")]
    assert "colleague" not in machine.succeed(f"cat ~{machine.login.user}/.ssh/authorized_keys")


def test_server_is_found_by_its_name(machine):
    found = machine.succeed(f"getent ahostsv4 {NAME}").split()
    assert found[0] == GCE.addresses[0]
    assert machine.execute(f"grep {NAME} /etc/hosts").status == 1


def test_disk_is_on_scsi(machine):
    assert machine.succeed("findmnt -no SOURCE /").startswith("/dev/sd")
