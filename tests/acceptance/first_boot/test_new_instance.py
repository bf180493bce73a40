"""A new instance-id on an old disk, the image of an instance: a new identity, the old data."""

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

# Django's own table, which every project with a database has.
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
    """The machine as a new instance, who it was before, and its instance-ids then and now."""

    machine: Machine
    before: Identity
    instances: tuple[str, str]


def instance_id(machine):
    return machine.succeed("cat /var/lib/cloud/data/instance-id").strip()


@pytest.fixture(scope="module")
def renewed(image):
    """It is written to, shut down as one does to take an image, and started as another."""
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


def test_it_is_another_instance(renewed):
    old_id, new_id = renewed.instances
    assert new_id != old_id


@pytest.mark.parametrize("part", ["machine_id", "secret_key", "hostname", "dhcp"])
def test_what_the_old_instance_was_known_by_is_made_anew(renewed, after, part):
    assert getattr(after, part) != getattr(renewed.before, part)


def test_every_host_key_is_made_anew(renewed, after):
    assert not set(after.host_keys.values()) & set(renewed.before.host_keys.values())


def test_the_new_key_says_for_which_instance_it_was_made(renewed):
    old_id, new_id = renewed.instances
    text = renewed.machine.succeed(f"cat {SITE_ENV}")
    assert re.search(rf"^#.*{re.escape(new_id)}.*\nSECRET_KEY=\S{{50}}$", text, re.MULTILINE), text
    assert old_id not in text
    assert renewed.before.secret_key not in text


def test_settings_of_the_old_instance_stay_where_the_new_one_gives_none(renewed):
    assert lines_of(renewed.machine, "SITE_HOSTS") == ["first.example.com"]


def test_what_was_stored_is_still_there(renewed):
    assert "found True" in renewed.machine.succeed("laurel manage shell", stdin=LOOK)
    assert renewed.machine.succeed(f"cat {KEPT_FILE}") == "kept\n"


def test_the_new_instance_lacks_nothing(renewed):
    assert faults_of(renewed.machine, settings={}) == []


def test_a_reboot_makes_no_third_identity(renewed, after):
    bring_up(renewed.machine, renewed.machine.reboot)
    settle_here(renewed.machine)
    assert identity_of(renewed.machine) == after
