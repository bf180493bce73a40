"""A power cut during the first boot: the next boot ends as an uncut first boot does.

The serial console shows when to cut. A cut is a SIGKILL of QEMU: what the guest has not written out
is lost.
"""

from functools import partial

import pytest
from acceptance.cloud_init import site_env
from acceptance.first_boot.instances import faults_of, settle_here
from acceptance.stages import BOOT_SECONDS, bring_up
from machine import Machine

SETTINGS = {"SITE_HOSTS": "cut.example.com", "MAX_BODY": "11m"}
DISK_GIB = 8  # larger than the image, so that the file system is resized

# systemd stops writing to the console at the login prompt, and our units may start later: so each
# writes a line itself. Django writes one at the end of each migration.
TELL = """
for unit in laurel-configure laurel-migrate supervisor laurel-processes; do
    folder=/run/systemd/system/$unit.service.d
    mkdir -p $folder
    echo "[Service]" >$folder/proof.conf
    echo "ExecStartPre=/bin/sh -c 'echo proof: $unit starts >/dev/console'" >>$folder/proof.conf
done
echo StandardOutput=journal+console >>/run/systemd/system/laurel-migrate.service.d/proof.conf
systemctl daemon-reload
"""

# The kernel's message when cloud-init grows the root file system: the files of the user-data are
# written by then; host keys and users follow.
CLOUD_INIT = r"EXT4-fs \(\w+\): resizing filesystem"
CONFIGURE = r"proof: laurel-configure starts"
MIGRATE = r"Applying \S+\.\.\. OK"
PROCESSES = r"proof: (supervisor|laurel-processes) starts"

CUTS = {
    "as-cloud-init-grows-the-root": [CLOUD_INIT],
    "as-laurel-configure-starts": [CONFIGURE],
    "in-the-middle-of-laurel-migrate": [MIGRATE],
    "as-its-processes-start": [PROCESSES],
    "three-times-in-a-row": [CLOUD_INIT, CONFIGURE, MIGRATE],
}


@pytest.fixture(scope="module", params=list(CUTS))
def survivor(image, request):
    """A machine whose power was cut at each of the moments, and which then booted."""
    user_data = {
        **site_env("".join(f"{name}={value}\n" for name, value in SETTINGS.items())),
        "bootcmd": [["sh", "-c", TELL]],
    }
    with Machine(
        image, name="cut", hostname="cut", cpus=2, disk_gib=DISK_GIB, extra_user_data=user_data
    ) as machine:
        for moment in CUTS[request.param]:
            wait = partial(machine.wait_for_console, moment, BOOT_SECONDS)
            bring_up(machine, machine.start, wait)
            machine.crash()
        bring_up(machine, machine.start)
        settle_here(machine)
        yield machine


def test_a_cut_first_boot_ends_as_an_uncut_one(survivor):
    assert faults_of(survivor, settings=SETTINGS) == []


@pytest.mark.parametrize("survivor", ["as-its-processes-start"], indirect=True)
def test_identity_is_kept_if_only_the_site_was_not_up(survivor):
    # A site may wait minutes for its database: a reset during that time keeps the host keys.
    journal = survivor.succeed("journalctl --boot --unit laurel-first-boot --output cat")
    assert "was cut off" not in journal
