"""Provisioning a machine that is provisioned changes nothing."""

import base64
import json
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from acceptance.processes import every_process
from machine import RemoteHost

TOP = Path(__file__).resolve().parents[3]

# Every file that provisioning writes, with the name and the time of what is in it.
FILES = "find /etc /usr/bin /usr/lib/laurel /usr/lib/tmpfiles.d /usr/share/laurel /srv/site -xdev \
 ! -path '*/__pycache__*' -printf '%p %i %T@ %m %u %g\\n' | sort"
SERVICES = "systemctl show -p MainPID nginx supervisor redis-server laurel-watch ssh"


def provision_folder():
    """A compressed tar file of provision/."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(TOP / "provision", "provision")
    return packed.getvalue()


@pytest.mark.once
@pytest.mark.disruptive
def test_a_second_run_changes_no_file_and_restarts_no_process(machine):
    source = json.loads(machine.succeed("cat /etc/laurel/release.json"))["source"]
    if isinstance(machine, RemoteHost) and source["revision"]:
        # Other steps would change the machine, and rightly so.
        command = ["git", "diff", "--quiet", source["revision"], "--", "provision"]
        same = subprocess.run(command, cwd=TOP, check=False).returncode == 0
        assert same, f"provisioned by another revision: check out {source['revision']} first"

    def state():
        pids = [process.pid for process in every_process(machine)]
        return machine.succeed(FILES).splitlines(), machine.succeed(SERVICES), pids

    # The machine's own project, settings and source: any other would be another release.
    dirty = "yes" if source["dirty"] else "no"
    environment = f"SOURCE_REVISION={source['revision']} SOURCE_DIRTY={dirty}"
    machine.succeed(
        "rm -rf /root/again && mkdir /root/again && base64 -d | tar -xz -C /root/again"
        " && cp -a /srv/site/current/app /root/again/app"
        " && grep -v '=$' /etc/laurel/build.env >/root/again/settings.env",
        stdin=base64.b64encode(provision_folder()).decode(),
    )
    try:
        before = state()
        told = machine.succeed(
            f"{environment} bash /root/again/provision/provision.sh 2>&1", timeout=600
        )
        after = state()
    finally:
        machine.succeed("rm -rf /root/again")
    assert "laurel:   " not in told, told
    changed = set(before[0]) ^ set(after[0])
    assert not changed, sorted(changed)
    assert before[1:] == after[1:]
