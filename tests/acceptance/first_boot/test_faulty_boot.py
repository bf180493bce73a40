"""Boots in which cloud-init or the cloud fails: the machine keeps its identity and its settings."""

import pytest
from acceptance.cloud_init import site_env
from acceptance.first_boot.instances import identity_of, lines_of, settle_here
from acceptance.settings import SITE_ENV
from acceptance.stages import bring_up
from machine import Machine
from machine.clouds import Ec2

SETTINGS = site_env("SITE_HOSTS=kept.example.com\n")
NOTE = "# a line of the operator"


@pytest.fixture(scope="module")
def machine(image):
    """A machine whose user-data has a faulty time zone, and wants passwords; booted twice."""
    user_data = {**SETTINGS, "timezone": "Europe/Zuerich", "ssh_pwauth": True}
    with Machine(image, name="faulty", hostname="faulty", extra_user_data=user_data) as machine:
        bring_up(machine, machine.start)
        settle_here(machine)
        machine.succeed(f"echo '{NOTE}' >>{SITE_ENV}")
        yield machine


def test_failed_module_keeps_the_identity(machine):
    # A precondition: cloud-init's stage has failed.
    assert machine.execute("systemctl is-failed cloud-config.service").stdout.strip() == "failed"
    before = identity_of(machine)
    bring_up(machine, machine.reboot)
    settle_here(machine)
    assert identity_of(machine) == before
    assert NOTE in machine.succeed(f"cat {SITE_ENV}")


def test_user_data_cannot_allow_passwords(machine):
    assert "passwordauthentication no" in machine.succeed("sshd -T")


def test_boot_without_metadata_keeps_the_secret_key(image):
    with Machine(
        image, name="silent", hostname="silent", cloud=Ec2(), extra_user_data=SETTINGS
    ) as machine:
        bring_up(machine, machine.start)
        settle_here(machine)
        (before,) = lines_of(machine, "SECRET_KEY")
        for silent in (True, False):
            machine.metadata.silent = silent
            machine.shutdown()
            bring_up(machine, machine.start)
            settle_here(machine)
            instance = machine.succeed("cat /var/lib/cloud/data/instance-id").strip()
            assert (instance == "iid-datasource-none") == silent
            assert lines_of(machine, "SECRET_KEY") == [before]
