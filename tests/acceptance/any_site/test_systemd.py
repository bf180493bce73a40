"""Processes under systemd, each in a sandbox, and without supervisor."""

import re

import pytest
from acceptance.choice import each_group
from acceptance.processes import every_process, processes
from acceptance.settings import SHARING

pytestmark = [pytest.mark.short, pytest.mark.where(PROCESS_MANAGER="systemd")]

# systemd's measure, from 0 to 10: a unit without a sandbox has 9.6, below 5 is "OK".
EXPOSURE = 4.0


@pytest.mark.once
def test_supervisor_is_not_there(host):
    assert not host.package("supervisor").is_installed


def test_processes_are_started_at_boot(host):
    assert host.service("laurel-processes").is_enabled


@each_group
def test_each_process_is_in_a_sandbox(machine, group):
    for process in processes(machine, group):
        unit = f"{group}@{process.number}.service"
        shown = machine.succeed(f"systemd-analyze security --no-pager {unit}")
        (exposure,) = re.findall(r"exposure level for \S+: ([\d.]+)", shown)
        assert float(exposure) < EXPOSURE, shown
        # The process has what the unit says.
        status = machine.succeed(f"cat /proc/{process.pid}/status")
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


@pytest.mark.where(ASGI_SERVER=SHARING)
def test_systemd_holds_the_shared_socket(machine):
    assert machine.succeed("systemctl is-active asgi.socket").strip() == "active"


def test_systemd_has_read_current_units(machine):
    units = "asgi.socket 'asgi@*' 'wsgi@*' 'procfile@*' laurel-processes"
    assert "yes" not in machine.succeed(f"systemctl show -p NeedDaemonReload --value {units}")
    before = every_process(machine)
    machine.succeed("systemctl daemon-reload")
    assert every_process(machine) == before
