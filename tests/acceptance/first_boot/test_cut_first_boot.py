"""Power lost in the middle of a first boot: the next one ends where an uncut one would have.

The moments are found on the serial console, where systemd and cloud-init say what they are at. A
cut is a SIGKILL of QEMU: whatever the guest had not written out by then is gone.
"""

from functools import partial

import pytest
from acceptance.first_boot.instances import faults_of, settle_here, site_env
from acceptance.stages import BOOT_SECONDS, bring_up
from machine import Machine

SETTINGS = {"SITE_HOSTS": "cut.example.com", "MAX_BODY": "11m"}

# Django names each migration as it begins it, to the journal: this shows it on the console, too.
SHOW_MIGRATIONS = """
folder=/run/systemd/system/laurel-migrate.service.d
mkdir -p $folder
printf '[Service]\\nStandardOutput=journal+console\\n' >$folder/console.conf
systemctl daemon-reload
"""

CLOUD_INIT = r"Generating public/private ed25519"  # half of what it does lies before, half behind
CONFIGURE = r"Starting laurel-configure\.service"
MIGRATE = r"Applying \S+\.\.\. OK"
SUPERVISOR = r"Starting supervisor\.service"

CUTS = {
    "as-cloud-init-makes-the-host-keys": [CLOUD_INIT],
    "as-laurel-configure-starts": [CONFIGURE],
    "in-the-middle-of-laurel-migrate": [MIGRATE],
    "as-supervisor-starts": [SUPERVISOR],
    "three-times-in-a-row": [CLOUD_INIT, CONFIGURE, MIGRATE],
}


@pytest.fixture(scope="module", params=list(CUTS))
def survivor(image, request):
    """A machine whose power was cut at each of the moments, and that was then left to boot."""
    user_data = {
        **site_env("".join(f"{name}={value}\n" for name, value in SETTINGS.items())),
        "bootcmd": [["sh", "-c", SHOW_MIGRATIONS]],
    }
    with Machine(image, name="cut", hostname="cut", extra_user_data=user_data) as machine:
        for moment in CUTS[request.param]:
            wait = partial(machine.wait_for_console, moment, BOOT_SECONDS)
            bring_up(machine, machine.start, wait)
            machine.crash()
        bring_up(machine, machine.start)
        settle_here(machine)
        yield machine


def test_a_cut_first_boot_ends_as_an_uncut_one(survivor):
    assert faults_of(survivor, settings=SETTINGS) == []
