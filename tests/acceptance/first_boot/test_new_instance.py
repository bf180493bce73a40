"""A new instance from the image of an old one: a new identity, the old data."""

import re
from dataclasses import dataclass

import pytest
from acceptance.cloud_init import site_env
from acceptance.first_boot.instances import (
    Identity,
    faults_of,
    identity_of,
    lines_of,
    settle_here,
)
from acceptance.settings import SITE_ENV
from acceptance.stages import bring_up
from machine import Machine

# In Django's own table, which every project with a database has.
RECORD = """
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
MigrationRecorder(connection).record_applied("laurel_proof", "kept")
"""
LOOK = """
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
print("found", ("laurel_proof", "kept") in MigrationRecorder(connection).applied_migrations())
"""
KEPT_FILE = "/var/lib/site/proof/kept.txt"


@dataclass(frozen=True)
class Renewed:
    """The machine as a new instance, its old identity, and its old and new instance-id."""

    machine: Machine
    before: Identity
    instances: tuple[str, str]


def instance_id(machine):
    return machine.succeed("cat /var/lib/cloud/data/instance-id").strip()


@pytest.fixture(scope="module")
def renewed(image):
    """A machine that stores data, shuts down, and starts as another instance."""
    settings = site_env("SITE_HOSTS=first.example.com\n")
    with Machine(image, name="instance", hostname="first", extra_user_data=settings) as machine:
        bring_up(machine, machine.start)
        settle_here(machine)
        before, old_id = identity_of(machine), instance_id(machine)
        machine.succeed("laurel manage shell", stdin=RECORD)
        machine.succeed(
            f"install -D -o site -g site /dev/null {KEPT_FILE} && echo kept >{KEPT_FILE}"
        )
        machine.shutdown()
        machine.reseed(hostname="second")
        bring_up(machine, machine.start)
        settle_here(machine)
        yield Renewed(machine, before, (old_id, instance_id(machine)))


@pytest.fixture(scope="module")
def after(renewed):
    return identity_of(renewed.machine)


def test_instance_id_is_new(renewed):
    old_id, new_id = renewed.instances
    assert new_id != old_id


@pytest.mark.parametrize("part", ["machine_id", "secret_key", "hostname", "dhcp"])
def test_identity_is_new(renewed, after, part):
    assert getattr(after, part) != getattr(renewed.before, part)


def test_every_host_key_is_new(renewed, after):
    assert not set(after.host_keys.values()) & set(renewed.before.host_keys.values())


def test_new_secret_key_names_its_instance(renewed):
    old_id, new_id = renewed.instances
    text = renewed.machine.succeed(f"cat {SITE_ENV}")
    assert re.search(rf"^#.*{re.escape(new_id)}.*\nSECRET_KEY=\S{{50}}$", text, re.MULTILINE), text
    assert old_id not in text
    assert renewed.before.secret_key not in text


def test_old_settings_stay_unless_replaced(renewed):
    assert lines_of(renewed.machine, "SITE_HOSTS") == ["first.example.com"]


def test_stored_data_are_kept(renewed):
    assert "found True" in renewed.machine.succeed("laurel manage shell", stdin=LOOK)
    assert renewed.machine.succeed(f"cat {KEPT_FILE}") == "kept\n"


def test_new_instance_is_healthy(renewed):
    assert faults_of(renewed.machine, settings={}) == []


def test_reboot_keeps_the_identity(renewed, after):
    bring_up(renewed.machine, renewed.machine.reboot)
    settle_here(renewed.machine)
    assert identity_of(renewed.machine) == after
