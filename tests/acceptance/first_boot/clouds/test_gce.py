"""On GCE, whose server is found by its name and tells nothing without a header."""

import pytest
from acceptance.first_boot.clouds.instance import AnInstance, Order, ask
from machine.clouds import Gce
from machine.clouds.gce import FLAVOR, NAME, TOP

GCE = Gce()
ORDERED = Order(cloud=GCE, firmware="uefi")
HERE = f"http://{NAME}"
HOST_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256")


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_each_request_showed_that_it_was_meant(machine):
    assert len(machine.metadata.log) > 5
    assert [asked for asked in machine.metadata.log if asked.token != "valid"] == []


def test_all_that_was_asked_for_is_there_but_where_to_write(machine):
    told = {
        (asked.method, asked.path, asked.status)
        for asked in machine.metadata.log
        if asked.status != 200
    }
    # The host keys' public halves: its user has not said that they may be published.
    where = f"{TOP}instance/guest-attributes/hostkeys"
    assert told == {("PUT", f"{where}/{kind}", 403) for kind in HOST_KEY_TYPES}


def test_the_site_has_asked_for_the_address_that_cloud_init_leaves_out(machine):
    assert "network-interfaces" not in machine.succeed("cat /run/cloud-init/instance-data.json")
    path = f"{TOP}instance/network-interfaces/?recursive=true"
    assert path in [asked.path for asked in machine.metadata.log]
    assert machine.succeed("cat /run/laurel/cloud-addresses").split() == [GCE.external_ipv4]


def test_a_key_of_the_project_that_the_instance_blocks_was_told_and_opens_nothing(machine):
    asked = [asked.path for asked in machine.metadata.log]
    assert [path for path in asked if path.startswith(f"{TOP}project/attributes/")]
    assert "colleague" not in machine.succeed(f"cat ~{machine.login.user}/.ssh/authorized_keys")


def test_the_server_is_found_by_its_name(machine):
    found = machine.succeed(f"getent ahostsv4 {NAME}").split()
    assert found[0] == GCE.addresses[0]
    assert machine.execute(f"grep {NAME} /etc/hosts").status == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"Metadata-Flavor": "Other"}, {**FLAVOR, "X-Forwarded-For": "192.0.2.1"}],
    ids=["none", "another", "a proxy's"],
)
def test_a_request_that_may_be_a_strangers_is_refused_from_inside(machine, headers):
    status, text = ask(machine, "GET", f"{HERE}{TOP}instance/attributes/user-data", headers)
    assert status == 403
    assert "SITE_HOSTS" not in text


def test_what_the_instance_has_not_is_not_found_from_inside_and_that_is_logged(machine):
    seen = len(machine.metadata.log)
    paths = [
        f"{TOP}instance/service-accounts/default/token",
        f"{TOP}instance/attributes/startup-script",
        "/latest/meta-data/",
    ]
    for path in paths:
        status, text = ask(machine, "GET", HERE + path, FLAVOR)
        assert status == 404
        assert f"<code>{path}</code> was not found" in text
    told = [(asked.path, asked.token, asked.status) for asked in machine.metadata.log[seen:]]
    assert told == [(path, "valid", 404) for path in paths]


def test_the_disk_is_one_of_scsi(machine):
    assert machine.succeed("findmnt -no SOURCE /").startswith("/dev/sd")
