"""cloud-init: configured from the one datasource there is, with no other waited for."""

import pytest
from acceptance import cloud_init


def test_no_other_datasource_was_waited_for(machine):
    assert cloud_init.waited_for(machine) == []


@pytest.mark.hypervisor
def test_the_datasource_is_the_seed(machine):
    assert cloud_init.datasource(machine) == "NoCloud"


def test_cloud_init_is_done_without_a_warning(machine):
    assert cloud_init.troubles(machine) == []


@pytest.mark.hypervisor
def test_a_file_of_the_user_data_is_as_given(host):
    file = host.file(cloud_init.GIVEN["path"])
    assert file.content_string == cloud_init.GIVEN["content"]
    assert (file.user, file.mode) == ("root", 0o640)


@pytest.mark.hypervisor
def test_the_key_of_the_user_data_is_the_only_one(virtual_machine):
    keys = virtual_machine.succeed(f"cat ~{virtual_machine.login.user}/.ssh/authorized_keys")
    assert keys.split("\n") == [virtual_machine.public_key, ""]
