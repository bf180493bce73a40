"""On DigitalOcean, without a config drive that the image can read: cloud-init asks the service.

It does so over a link-local address of its own choice: its real address is in the metadata.
"""

import json
import re

import pytest
from acceptance import cloud_init
from acceptance.settings import settings_of
from machine.clouds import DigitalOceanWithoutDrive
from machine.qemu import CLOUD_ADDRESS

DIGITALOCEAN = DigitalOceanWithoutDrive()


@pytest.fixture(scope="module")
def machine(boot):
    """The droplet."""
    return boot(
        name="digitalocean-without-drive", cpus=1, memory_mib=512, disk_gib=10, cloud=DIGITALOCEAN
    )


def test_datasource_is_the_service(machine):
    assert cloud_init.datasource(machine) == DIGITALOCEAN.datasource
    assert cloud_init.candidates(machine) == list(DIGITALOCEAN.candidates)


def test_one_document_was_requested_and_nothing_else(machine):
    log = {(request.method, request.path, request.status) for request in machine.metadata.log}
    assert log == {("GET", "/metadata/v1.json", 200)}


def test_only_warning_is_that_the_datasource_is_old(machine):
    (complaint,) = DIGITALOCEAN.complaints
    troubles = cloud_init.troubles(machine)
    assert [each for each in troubles if not re.search(complaint, each)] == []


def test_no_link_local_address_is_left(machine):
    cards = json.loads(machine.succeed("ip -4 -j address"))
    addresses = [each["local"] for card in cards for each in card["addr_info"]]
    assert sorted(addresses) == ["127.0.0.1", CLOUD_ADDRESS]


def test_service_gives_the_key_and_no_user_data(machine):
    keys = machine.succeed(f"cat ~{machine.login.user}/.ssh/authorized_keys").splitlines()
    assert [line for line in keys if line] == [machine.public_key]
    assert machine.succeed("cat /var/lib/cloud/instance/user-data.txt") == ""


def test_site_serves(machine, browser):
    assert browser.get(settings_of(machine)["HEALTH_PATH"]).status_code < 400
