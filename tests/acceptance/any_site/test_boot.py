"""The machine itself: units, journal, disk, host name, release.json."""

import json
import re

import pytest
from acceptance.stages import HARDWARE

# Errors in the journal of a healthy machine, each with its cause.
HARMLESS = {
    r"sshd.*: (fatal|error): .*Connection (reset|closed)": "our own client hung up early",
    r"kernel: .*(RETBleed|Spectre|MDS|MMIO|TAA|SRBDS)": "a virtual CPU without mitigations",
    r"kernel: virtio_blk .*\[vd[a-z]\].*read-only": "the seed disk is read-only",
    r"systemd-ssh-generator(.*AF_VSOCK| failed)": "a hypervisor without vsock",
    r"supervisord.*(died|exited)": "an earlier check killed a process",
}

# The same, if the CPU is emulated.
HARMLESS_IF_EMULATED = {
    r"kernel: rcu: ": "a busy host starved a virtual CPU",
    r"kernel: watchdog: BUG: soft lockup": "the same",
}


@pytest.mark.short
def test_each_stage_is_another_boot(lifecycle):
    assert len(set(lifecycle.boot_ids.values())) == len(lifecycle.boot_ids)


@pytest.mark.hypervisor
def test_machine_has_the_stages_hardware(machine, stage):
    cpus, firmware = HARDWARE[stage]
    assert int(machine.succeed("nproc")) == cpus
    assert (machine.execute("test -d /sys/firmware/efi").status == 0) == (firmware == "uefi")


@pytest.mark.short
def test_no_unit_has_failed(machine):
    failed = machine.succeed("systemctl list-units --state=failed --plain --no-legend")
    assert failed == ""


def test_no_job_was_dropped_for_an_ordering_cycle(machine):
    found = machine.execute("journalctl -b -t systemd --no-pager --grep 'ordering cycle'")
    assert found.status == 1, found.stdout


@pytest.mark.short
def test_journal_has_no_unexplained_error(machine):
    lines = machine.succeed(
        "journalctl -b -p err --no-pager -o cat --output-fields=MESSAGE -o short"
    )
    # Virtualised CPUs are "kvm", "microsoft" and so on.
    emulated = machine.execute("systemd-detect-virt").stdout.strip() == "qemu"
    harmless = "|".join([*HARMLESS, *(HARMLESS_IF_EMULATED if emulated else ())])
    unexplained = [
        line
        for line in lines.splitlines()
        if not line.startswith("-- ") and not re.search(harmless, line)
    ]
    assert unexplained == []


def test_root_fills_the_disk(machine):
    name = machine.succeed("lsblk -no PKNAME $(findmnt -no SOURCE /)").strip()
    disk = int(machine.succeed(f"blockdev --getsize64 /dev/{name}"))
    root = int(machine.succeed("findmnt -nbo SIZE /"))
    assert root > disk * 0.9, f"{root >> 20} MiB of {disk >> 20} MiB"


def test_host_name_is_the_instances_and_resolves(machine, lifecycle):
    name = machine.succeed("hostname").strip()
    assert name == (lifecycle.hostname or name)
    assert name != "localhost"
    # A name that does not resolve slows down every sudo.
    assert machine.execute("getent hosts $(hostname)").status == 0


def test_release_says_what_was_baked(machine):
    release = json.loads(machine.succeed("cat /etc/laurel/release.json"))
    assert release["packages"].keys() >= {"nginx", "redis-server", "python3"}
    assert "Django" in release["python_packages"] or "django" in release["python_packages"]
    assert release["kernel"] == machine.succeed("uname -r").strip()
    assert re.fullmatch(r"[0-9a-f]{40}|", release["source"]["revision"])
    assert release["built"].endswith("+00:00")
    live = machine.succeed("basename $(readlink -f /srv/site/current)").strip()
    assert release["release"] == live


@pytest.mark.once
@pytest.mark.hypervisor
def test_serial_console_shows_login_prompt(virtual_machine):
    assert "login:" in virtual_machine.console.path.read_text(errors="replace")
