"""kill -9: whatever dies comes back, and the site with it."""

import time

import pytest
from acceptance.daphnes import daphnes, wait_until_healthy

pytestmark = [pytest.mark.once, pytest.mark.disruptive]

BACK_SECONDS = 240.0  # emulation on two cores: 15 s
SQUATTER = """
import socket, time
port = socket.socket()
port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
while True:
    try:
        port.bind(("127.0.0.1", 8000))
        break
    except OSError:
        time.sleep(0.01)
port.listen()
while True:
    port.accept()[0].close()
"""


def kill(machine, pid):
    machine.succeed(f"kill -9 {pid}")


def test_a_killed_process_is_back_and_costs_visitors_nothing(
    machine, browser, health_path, well, measure
):
    *others, victim = daphnes(machine)
    started = time.monotonic()
    # It leaves its socket and its lock behind, whose number may be a living process's by now.
    machine.succeed(f"ln -sfn 1 {victim.socket}.lock && kill -9 {victim.pid}")
    assert {browser.get(health_path).status_code for _ in range(20)} == {well}
    wait_until_healthy(machine, gone=[victim.pid])
    measure("Daphne back after kill -9", time.monotonic() - started)
    assert daphnes(machine)[:-1] == others
    for other in others:
        machine.succeed(f"test -S {other.socket}")


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


def test_a_stopped_process_is_replaced(machine, browser, health_path, well, measure):
    victim = daphnes(machine)[0]
    started = time.monotonic()
    machine.succeed(f"kill -STOP {victim.pid}")
    # Those that were given to it wait until it is gone, and then go to another.
    assert {browser.get(health_path, timeout=120).status_code for _ in range(9)} == {well}
    wait_until_healthy(machine, gone=[victim.pid])
    measure("a stopped process replaced", time.monotonic() - started)
    assert machine.execute("journalctl -u laurel-watch --no-pager --grep killed").status == 0


def test_killed_supervisord_leaves_no_orphan_and_is_back_once_its_port_is_free(
    machine, browser, health_path, measure
):
    before = {daphne.pid for daphne in daphnes(machine)}
    # Takes the port as soon as nobody holds it, which an orphan would.
    machine.succeed(f"systemd-run --unit=squatter /usr/bin/python3 -c '{SQUATTER}'")
    try:
        kill(machine, machine.succeed("systemctl show -p MainPID --value supervisor").strip())
        machine.wait_until_succeeds("ss -Hltnp 'sport = :8000' | grep python3", BACK_SECONDS)
        machine.wait_until_succeeds(
            "journalctl -u supervisor --no-pager -n 50"
            r" | grep -E '127\.0\.0\.1:8000 is taken by python3 \(pid [0-9]+\)'",
            BACK_SECONDS,
        )
        # No process runs: nginx answers by itself.
        answer = browser.get(health_path)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        result = machine.execute("laurel status")
        assert result.status == 1
        assert "port 8000 is held by python3" in result.stderr
    finally:
        machine.succeed("systemctl stop squatter")
    started = time.monotonic()
    # It needs no hand: supervisor is tried again until the port is free.
    wait_until_healthy(machine, gone=before)
    measure("supervisord and its processes back, from their free port", time.monotonic() - started)
    after = {daphne.pid for daphne in daphnes(machine)}
    running = {int(pid) for pid in machine.succeed("pgrep -u site -f bin/daphne").split()}
    assert running == after
    machine.wait_for_http(health_path)


def test_descriptor_0_without_supervisor_is_explained(machine):
    result = machine.execute(
        "runuser -u site -- /usr/lib/laurel/exec-site daphne --fd 0 x:y </dev/null"
    )
    assert result.status == 1
    assert "[fcgi-program:asgi]" in result.stderr
