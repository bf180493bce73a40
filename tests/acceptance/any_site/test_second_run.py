"""Provisioning a machine a second time changes nothing."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from acceptance.processes import every_process
from machine import RemoteHost

TOP = Path(__file__).resolve().parents[3]

# Every file that provisioning writes, with inode, times, mode and owner.
FILES = "find /etc /usr/bin /usr/lib/laurel /usr/lib/tmpfiles.d /usr/share/laurel /srv/site -xdev \
 ! -path '*/__pycache__*' -printf '%p %i %T@ %m %u %g\\n' | sort"
SERVICES = "systemctl show -p MainPID nginx supervisor redis-server laurel-watch ssh"


@pytest.mark.once
@pytest.mark.disruptive
def test_second_run_changes_nothing(machine):
    source = json.loads(machine.succeed("cat /etc/laurel/release.json"))["source"]
    if isinstance(machine, RemoteHost) and source["revision"]:
        # The steps of another revision may change the machine.
        command = ["git", "diff", "--quiet", source["revision"], "--", "provision"]
        same = subprocess.run(command, cwd=TOP, check=False).returncode == 0
        assert same, f"provisioned by another revision: check out {source['revision']} first"

    def state():
        pids = [process.pid for process in every_process(machine)]
        return machine.succeed(FILES).splitlines(), machine.succeed(SERVICES), pids

    packed = subprocess.run(
        ["tar", "-cz", "provision"], cwd=TOP, stdout=subprocess.PIPE, check=True
    ).stdout
    # The machine's own project, settings and source: others would make another release.
    dirty = "yes" if source["dirty"] else "no"
    environment = f"SOURCE_REVISION={source['revision']} SOURCE_DIRTY={dirty}"
    machine.succeed(
        "rm -rf /root/again && mkdir /root/again && base64 -d | tar -xz -C /root/again"
        " && cp -a /srv/site/current/app /root/again/app"
        " && grep -v '=$' /etc/laurel/build.env >/root/again/settings.env",
        stdin=base64.b64encode(packed).decode(),
    )
    try:
        before = state()
        output = machine.succeed(
            f"{environment} bash /root/again/provision/provision.sh 2>&1", timeout=600
        )
        after = state()
    finally:
        machine.succeed("rm -rf /root/again")
    assert "laurel:   " not in output, output
    changed = set(before[0]) ^ set(after[0])
    assert not changed, sorted(changed)
    assert before[1:] == after[1:]
