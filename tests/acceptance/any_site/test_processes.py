"""The site's processes: their number, user, permissions and shared socket."""

import pytest
from acceptance.choice import each_group
from acceptance.processes import orphans, processes
from acceptance.settings import SHARING, shared_socket


def wanted(machine, settings):
    """The number of processes that each group must have."""
    given = settings["PROCESSES"]
    return int(given) if given.isdecimal() else int(machine.succeed("nproc"))


@pytest.mark.short
@each_group
def test_one_process_runs_for_each_cpu(machine, settings, group):
    found = [process.state for process in processes(machine, group)]
    assert found == ["RUNNING"] * wanted(machine, settings)


@pytest.mark.short
@each_group
def test_processes_run_as_site(machine, group):
    for process in processes(machine, group):
        assert machine.succeed(f"stat -c %U:%G /proc/{process.pid}").strip() == "site:site"


def test_site_user_has_no_orphans(machine):
    assert orphans(machine) == []


def test_site_user_can_not_log_in(host):
    assert host.user("site").shell == "/usr/sbin/nologin"
    assert host.check_output("passwd --status site").split()[1] in ("L", "LK")


def test_processes_can_not_write_their_own_code(machine):
    machine.fail("runuser -u site -- test -w /srv/site/current/app")
    machine.fail("runuser -u site -- test -w /srv/site/current/venv/bin")
    machine.fail("runuser -u site -- test -w /srv/site/current/venv/bin/django-admin")
    machine.succeed("runuser -u site -- test -w /var/lib/site")


@pytest.mark.where(PROCESS_MANAGER="supervisor")
def test_reread_and_update_find_no_change(machine):
    assert machine.succeed("supervisorctl reread").strip() == "No config updates to processes"
    before = [process.pid for process in processes(machine)]
    assert machine.succeed("supervisorctl update").strip() == ""
    assert [process.pid for process in processes(machine)] == before


@pytest.mark.short
@pytest.mark.where(ASGI_SERVER=SHARING)
def test_each_process_holds_the_shared_socket(machine, settings):
    _, port = shared_socket(settings)
    shown = machine.succeed(f"ss -Hltnp 'sport = :{port}'")
    for process in processes(machine):
        assert f"pid={process.pid}," in shown


@pytest.mark.short
def test_status_finds_nothing_wrong(machine):
    machine.succeed("laurel status")
