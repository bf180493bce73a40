"""The same image on another machine: the other firmware, and another count of CPUs."""

import pytest
from acceptance.stages import BOOT_SECONDS, bring_up
from machine import Machine


@pytest.mark.own_machine
def test_boots_and_serves_under_uefi_with_three_cpus(image, ssh_user, the_course):
    the_course.leave()  # two machines on two processors take four times as long
    with Machine(image, name="uefi", cpus=3, firmware="uefi", ssh_user=ssh_user) as machine:
        bring_up(machine, machine.start)
        machine.succeed("test -d /sys/firmware/efi")
        machine.wait_until_succeeds("supervisorctl status", timeout=BOOT_SECONDS)
        assert machine.succeed("supervisorctl status | wc -l").strip() == "3"
        machine.wait_until_succeeds("laurel status", timeout=BOOT_SECONDS)
        machine.wait_for_http("/", timeout=BOOT_SECONDS)
