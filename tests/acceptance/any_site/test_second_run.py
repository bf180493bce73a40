"""Provisioning a machine that is provisioned changes nothing."""

import base64
import json
import os
from pathlib import Path

import payload
import pytest
from acceptance.daphnes import daphnes

TOP = Path(__file__).resolve().parents[3]

# Every file that provisioning writes, with the name and the time of what is in it.
FILES = "find /etc /usr/bin /usr/lib/laurel /usr/lib/tmpfiles.d /usr/share/laurel /srv/site -xdev \
 ! -path '*/__pycache__*' -printf '%p %i %T@ %m %u %g\\n' | sort"
SERVICES = "systemctl show -p MainPID nginx supervisor redis-server laurel-watch ssh"


@pytest.mark.once
@pytest.mark.disruptive
def test_a_second_run_changes_no_file_and_restarts_no_process(machine, tmp_path):
    baked = machine.succeed("cat /etc/laurel/build.env")
    source = json.loads(machine.succeed("cat /etc/laurel/release.json"))["source"]
    payload.write(
        tmp_path / "payload.tar.gz",
        provision=TOP / "provision",
        project=Path(os.environ.get("APP") or TOP / "app"),
        settings="".join(line for line in baked.splitlines(True) if not line.endswith("=\n")),
        uv=None,
        **source,
    )
    machine.succeed(
        "mkdir /root/again && base64 -d | tar -xz -C /root/again",
        stdin=base64.b64encode((tmp_path / "payload.tar.gz").read_bytes()).decode(),
    )

    def state():
        pids = [daphne.pid for daphne in daphnes(machine)]
        return machine.succeed(FILES).splitlines(), machine.succeed(SERVICES), pids

    before = state()
    told = machine.succeed("/root/again/provision/provision.sh 2>&1", timeout=600)
    after = state()
    machine.succeed("rm -rf /root/again")
    assert "wrote" not in told, told
    changed = set(before[0]) ^ set(after[0])
    assert not changed, sorted(changed)
    assert before[1:] == after[1:]
