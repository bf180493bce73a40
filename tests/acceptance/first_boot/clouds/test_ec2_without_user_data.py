"""On EC2: the smallest instance, without user-data."""

import pytest
from acceptance import cloud_init
from acceptance.processes import processes
from acceptance.settings import settings_of
from machine.clouds import Ec2
from machine.disk import GIB

DISK_GIB = 4
EC2 = Ec2()


@pytest.fixture(scope="module")
def machine(boot):
    """The instance."""
    return boot(name="ec2-smallest", cpus=1, memory_mib=512, disk_gib=DISK_GIB, cloud=EC2)


def test_user_data_were_requested_and_not_found(machine):
    requests = [each for each in machine.metadata.log if each.path.endswith("/user-data")]
    assert {request.status for request in requests} == {404}


def test_every_other_request_was_granted(machine):
    missed = {request.path for request in machine.metadata.log if request.status != 200}
    assert {path.rpartition("/")[2] for path in missed} == {"user-data"}


def test_datasource_is_still_ec2(machine):
    assert cloud_init.datasource(machine) == EC2.datasource
    assert cloud_init.troubles(machine) == []


def test_host_name_is_the_clouds(machine):
    assert machine.succeed("hostname").strip() == "ip-172-31-0-15"


def test_site_serves_on_one_cpu_and_the_smallest_disk(machine, browser):
    assert browser.get(settings_of(machine)["HEALTH_PATH"]).status_code < 400
    assert [process.state for process in processes(machine)] == ["RUNNING"]
    assert int(machine.succeed("findmnt -nbo SIZE /")) > DISK_GIB * GIB * 0.9
