"""Supervisor's processes: as many as CPUs, as the user site, from the guide's conf."""

from acceptance.daphnes import daphnes


def cpus(machine):
    return int(machine.succeed("nproc"))


def test_one_process_runs_for_each_cpu(machine):
    found = daphnes(machine)
    assert [daphne.state for daphne in found] == ["RUNNING"] * cpus(machine)


def test_processes_run_as_site(machine):
    for daphne in daphnes(machine):
        assert machine.succeed(f"stat -c %U:%G /proc/{daphne.pid}").strip() == "site:site"


def test_site_user_can_not_log_in(host):
    assert host.user("site").shell == "/usr/sbin/nologin"
    assert host.check_output("passwd --status site").split()[1] in ("L", "LK")


def test_processes_can_not_write_their_own_code(machine):
    machine.fail("runuser -u site -- test -w /srv/site/current/app")
    machine.fail("runuser -u site -- test -w /srv/site/current/venv/bin/daphne")
    machine.succeed("runuser -u site -- test -w /var/lib/site")


def test_reread_and_update_find_no_change(machine):
    assert machine.succeed("supervisorctl reread").strip() == "No config updates to processes"
    before = [daphne.pid for daphne in daphnes(machine)]
    assert machine.succeed("supervisorctl update").strip() == ""
    assert [daphne.pid for daphne in daphnes(machine)] == before


def test_each_process_holds_the_shared_socket(machine):
    shown = machine.succeed("ss -Hltnp 'sport = :8000'")
    for daphne in daphnes(machine):
        assert f"pid={daphne.pid}," in shown


def test_status_finds_nothing_wrong(machine):
    machine.succeed("laurel status")
