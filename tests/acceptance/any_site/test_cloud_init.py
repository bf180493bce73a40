"""cloud-init finds its datasource at once and applies the user-data without warnings."""

import pytest
from acceptance import cloud_init


def test_cloud_init_waits_for_no_other_datasource(machine):
    assert cloud_init.waited_for(machine) == []


@pytest.mark.hypervisor
def test_the_datasource_is_the_seed(machine):
    assert cloud_init.datasource(machine) == "NoCloud"


def test_cloud_init_is_done_without_a_warning(machine):
    assert cloud_init.troubles(machine) == []


@pytest.mark.hypervisor
def test_user_data_writes_its_file(host):
    file = host.file(cloud_init.GIVEN["path"])
    assert file.content_string == cloud_init.GIVEN["content"]
    assert (file.user, file.mode) == ("root", 0o640)


@pytest.mark.hypervisor
def test_login_has_only_the_user_data_key(virtual_machine):
    keys = virtual_machine.succeed(f"cat ~{virtual_machine.login.user}/.ssh/authorized_keys")
    assert keys.split("\n") == [virtual_machine.public_key, ""]
