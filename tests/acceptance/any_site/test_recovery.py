"""kill -9: whatever dies comes back, and the site with it."""

import re
import time

import pytest
from acceptance.daphnes import daphnes, wait_until_healthy

pytestmark = [pytest.mark.once, pytest.mark.disruptive]

BACK_SECONDS = 240.0  # emulation on two cores: 15 s


def kill(machine, pid):
    machine.succeed(f"kill -9 {pid}")


def test_a_killed_process_is_back_and_costs_visitors_nothing(
    machine, browser, health_path, measure
):
    victim = daphnes(machine)[-1]
    started = time.monotonic()
    kill(machine, victim.pid)
    assert {browser.get(health_path).status_code for _ in range(20)} == {200}
    wait_until_healthy(machine, gone=[victim.pid])
    measure("Daphne back after kill -9", time.monotonic() - started)


@pytest.mark.parametrize("service", ["nginx", "redis-server"])
def test_a_killed_service_is_back(machine, health_path, measure, service):
    main_pid = f"systemctl show -p MainPID --value {service}"
    pid = machine.succeed(main_pid).strip()
    started = time.monotonic()
    # nginx's workers would hold its port; the kernel's out-of-memory killer takes one process.
    kill(machine, pid)
    machine.wait_until_succeeds(
        f"systemctl is-active {service} && [ $({main_pid}) != {pid} ]",
        BACK_SECONDS,
    )
    machine.wait_for_http(health_path, timeout=BACK_SECONDS)
    measure(f"{service} back after kill -9", time.monotonic() - started)


def test_killed_supervisord_leaves_no_orphan_and_is_back(machine, health_path, measure):
    before = {daphne.pid for daphne in daphnes(machine)}
    started = time.monotonic()
    kill(machine, machine.succeed("systemctl show -p MainPID --value supervisor").strip())
    machine.wait_until_succeeds("systemctl is-active supervisor && supervisorctl pid", BACK_SECONDS)
    wait_until_healthy(machine, gone=before)
    measure("supervisord and its processes back after kill -9", time.monotonic() - started)
    after = {daphne.pid for daphne in daphnes(machine)}
    running = {int(pid) for pid in machine.succeed("pgrep -u site -f bin/daphne").split()}
    assert running == after
    machine.wait_for_http(health_path)


def test_stale_socket_and_lock_do_not_keep_a_process_down(machine):
    first, second = daphnes(machine)[:2]
    # A killed process leaves both behind; the lock's number may be a living process's by now.
    machine.succeed(f"ln -sfn 1 {first.socket}.lock && kill -9 {first.pid}")
    wait_until_healthy(machine, gone=[first.pid])
    assert daphnes(machine)[1].pid == second.pid
    machine.succeed(f"test -S {second.socket}")


def test_a_stopped_process_is_replaced(machine, browser, health_path, measure):
    victim = daphnes(machine)[0]
    started = time.monotonic()
    machine.succeed(f"kill -STOP {victim.pid}")
    # Those that were given to it wait until it is gone, and then go to another.
    answers = [browser.get(health_path, timeout=120).status_code for _ in range(9)]
    assert set(answers) == {200}
    wait_until_healthy(machine, gone=[victim.pid])
    measure("a stopped process replaced", time.monotonic() - started)
    assert machine.execute("journalctl -u laurel-watch --no-pager --grep killed").status == 0


def test_visitors_are_told_to_come_back_and_the_holder_of_a_taken_port_is_named(
    machine, browser, health_path
):
    machine.succeed("systemctl stop supervisor")
    try:
        # No process runs: nginx answers by itself.
        answer = browser.get(health_path)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    except BaseException:
        machine.execute("systemctl start supervisor")
        raise
    machine.succeed(
        "systemd-run --unit=squatter /usr/bin/python3 -m http.server --bind 127.0.0.1 8000"
    )
    machine.wait_for_open_port(8000)
    try:
        machine.fail("systemctl start supervisor")
        told = machine.succeed("journalctl -u supervisor --no-pager -n 50")
        assert re.search(r"127\.0\.0\.1:8000 is taken by python3 \(pid \d+\)", told)
        result = machine.execute("laurel status")
        assert result.status == 1
        assert "port 8000 is held by python3" in result.stderr
    finally:
        machine.succeed("systemctl stop squatter")
    # It needs no hand: supervisor is tried again until the port is free.
    wait_until_healthy(machine)


def test_descriptor_0_without_supervisor_is_explained(machine):
    result = machine.execute(
        "runuser -u site -- /usr/lib/laurel/exec-site daphne --fd 0 x:y </dev/null"
    )
    assert result.status == 1
    assert "[fcgi-program:asgi]" in result.stderr
