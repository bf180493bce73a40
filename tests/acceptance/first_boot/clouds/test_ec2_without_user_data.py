"""On EC2: the smallest instance, whose user gave it nothing but a key."""

import pytest
from acceptance import cloud_init
from acceptance.first_boot.clouds.instance import ask
from acceptance.processes import processes
from acceptance.settings import settings_of
from machine.clouds import Ec2
from machine.disk import GIB

DISK_GIB = 4
EC2 = Ec2()
HERE = f"http://{EC2.addresses[0]}"


@pytest.fixture(scope="module")
def machine(boot):
    """The instance."""
    return boot(name="ec2-smallest", cpus=1, memory_mib=512, disk_gib=DISK_GIB, cloud=EC2)


def test_the_user_data_were_asked_for_and_are_not_there(machine):
    asked = [asked for asked in machine.metadata.log if asked.path.endswith("/user-data")]
    assert {(asked.token, asked.status) for asked in asked} == {("valid", 404)}


def test_all_else_that_was_asked_for_is_there(machine):
    missed = {asked.path for asked in machine.metadata.log if asked.status != 200}
    assert {path.rpartition("/")[2] for path in missed} == {"user-data"}


def test_a_role_that_the_instance_has_not_is_refused_from_inside_and_that_is_logged(machine):
    path = "/latest/meta-data/iam/security-credentials/"
    seen = len(machine.metadata.log)
    life = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    _, token = ask(machine, "PUT", HERE + "/latest/api/token", life)
    assert ask(machine, "GET", HERE + path)[0] == 401
    assert ask(machine, "GET", HERE + path, {"X-aws-ec2-metadata-token": token})[0] == 404
    told = [(asked.path, asked.token, asked.status) for asked in machine.metadata.log[seen:]]
    assert told == [
        ("/latest/api/token", "none", 200),
        (path, "none", 401),
        (path, "valid", 404),
    ]


def test_the_datasource_is_ec2_all_the_same(machine):
    assert cloud_init.datasource(machine) == EC2.datasource
    assert cloud_init.troubles(machine) == []


def test_the_host_name_is_its_clouds(machine):
    assert machine.succeed("hostname").strip() == "ip-172-31-0-15"


def test_the_site_serves_on_one_cpu_and_the_smallest_disk(machine, browser):
    assert browser.get(settings_of(machine)["HEALTH_PATH"]).status_code < 400
    assert [process.state for process in processes(machine)] == ["RUNNING"]
    assert int(machine.succeed("findmnt -nbo SIZE /")) > DISK_GIB * GIB * 0.9
