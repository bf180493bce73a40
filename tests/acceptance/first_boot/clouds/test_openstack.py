"""On an OpenStack with DHCP and a metadata service."""

from acceptance.first_boot.clouds.instance import AnInstance, Order, ask
from machine.clouds import OpenStack
from machine.clouds.openstack import MTU

OPENSTACK = OpenStack()
ORDERED = Order(cloud=OPENSTACK, disk_gib=20)
HERE = f"http://{OPENSTACK.addresses[0]}"


class TestInstance(AnInstance):
    """What holds in every cloud."""


def test_its_own_metadata_and_those_of_ec2s_kind_were_read(machine):
    asked = [asked.path for asked in machine.metadata.log]
    assert {path.partition("/")[2].partition("/")[0] for path in asked} == {"openstack", "latest"}
    files = {path.rpartition("/")[2] for path in asked if path.startswith("/openstack/")}
    assert {"meta_data.json", "network_data.json", "user_data"} <= files
    assert "/latest/meta-data/public-ipv4" in asked


def test_only_what_openstack_has_was_asked_for(machine):
    assert [asked for asked in machine.metadata.log if asked.status != 200] == []


def test_nothing_was_to_be_shown(machine):
    assert {asked.token for asked in machine.metadata.log} == {"none"}


def test_the_card_is_as_the_network_data_say(machine):
    (mtu,) = machine.succeed("cat /sys/class/net/e*/mtu").split()
    assert int(mtu) == MTU
    assert "DHCP=ipv4" in machine.succeed("cat /etc/systemd/network/*-cloud-init-*.network")


def test_what_the_instance_has_not_is_not_found_from_inside_and_that_is_logged(machine):
    seen = len(machine.metadata.log)
    asked = [
        ("GET", "/openstack/2099-01-01/meta_data.json"),
        ("GET", "/openstack/latest/no.json"),
        ("GET", "/latest/meta-data/iam/security-credentials/"),
        ("GET", "/computeMetadata/v1/"),
        ("PUT", "/latest/api/token"),  # it asks for none
    ]
    for method, path in asked:
        status, text = ask(machine, method, HERE + path)
        assert status == 404
        assert "404 Not Found" in text
    told = [(line.method, line.path, line.status) for line in machine.metadata.log[seen:]]
    assert told == [(method, path, 404) for method, path in asked]


def test_a_password_is_taken_once_and_never_replaced(machine):
    where = f"{HERE}/openstack/latest/password"
    assert ask(machine, "PUT", where)[0] == 400
    assert ask(machine, "GET", where) == (200, "")
    assert ask(machine, "POST", where, body="c2VjcmV0")[0] == 200
    assert ask(machine, "POST", where, body="b3RoZXI=")[0] == 409
    assert ask(machine, "GET", where) == (200, "c2VjcmV0")
