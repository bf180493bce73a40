"""After kill -9 or kill -STOP, processes and services return, and the site with them."""

import time

import pytest
from acceptance.choice import each_group
from acceptance.processes import (
    descendants,
    every_process,
    orphans,
    processes,
    wait_until_healthy,
    wait_until_no_orphans,
)
from acceptance.settings import SHARING, shared_socket

pytestmark = [pytest.mark.once, pytest.mark.disruptive]

BACK_SECONDS = 240.0  # emulation on two cores: 15 s
SQUATTER = """
import socket, sys, time
port = socket.socket()
port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
while True:
    try:
        port.bind((sys.argv[1], int(sys.argv[2])))
        break
    except OSError:
        time.sleep(0.01)
port.listen()
while True:
    port.accept()[0].close()
"""
MAIN_PID = "systemctl show -p MainPID --value"


def main_pid(machine, service):
    return machine.succeed(f"{MAIN_PID} {service}").strip()


def kill(machine, pid):
    machine.succeed(f"kill -9 {pid}")


@pytest.mark.short
@each_group
def test_killed_process_returns_without_errors(machine, browser, paths, settings, measure, group):
    *others, victim = processes(machine, group)
    # Daphne also leaves a lock, with a pid that another process may have by now.
    locks = group == "asgi" and settings["ASGI_SERVER"] == "daphne"
    lock = f"ln -sfn 1 {victim.socket}.lock;" if locks else ""
    started = time.monotonic()
    machine.succeed(f"{lock} kill -9 {victim.pid}")
    for path, status in paths.items():
        answers = {browser.get(path).status_code for _ in range(20)}
        # No other process can answer if there is only one.
        assert answers == {status} if others else answers <= {status, 503}
    wait_until_healthy(machine, gone=[victim.pid])
    measure(f"{victim.name} back after kill -9", time.monotonic() - started)
    assert processes(machine, group)[:-1] == others
    for other in others:
        machine.succeed(f"test -S {other.socket}")
    wait_until_no_orphans(machine)


@pytest.mark.parametrize("service", ["nginx", "redis-server"])
def test_a_killed_service_is_back(machine, health_path, measure, service):
    pid = main_pid(machine, service)
    started = time.monotonic()
    # Only the main process, as the out-of-memory killer does: nginx's workers hold the port.
    kill(machine, pid)
    machine.wait_until_succeeds(
        f"systemctl is-active {service} && [ $({MAIN_PID} {service}) != {pid} ]",
        BACK_SECONDS,
    )
    machine.wait_for_http(health_path, timeout=BACK_SECONDS)
    measure(f"{service} back after kill -9", time.monotonic() - started)


@each_group
def test_a_stopped_process_is_replaced(machine, browser, paths, measure, group):
    victim = processes(machine, group)[0]
    started = time.monotonic()
    machine.succeed(f"kill -STOP {' '.join(map(str, descendants(machine, victim.pid)))}")
    # Requests that were sent to it wait until it is killed, then go to another process.
    for path, status in paths.items():
        assert {browser.get(path, timeout=120).status_code for _ in range(9)} == {status}
    wait_until_healthy(machine, gone=[victim.pid])
    measure(f"{victim.name} replaced after it was stopped", time.monotonic() - started)
    assert machine.execute("journalctl -u laurel-watch --no-pager --grep killed").status == 0
    wait_until_no_orphans(machine)


@pytest.mark.where(PROCESS_MANAGER="supervisor", ASGI_SERVER=SHARING)
def test_killed_supervisord_returns_without_orphans(
    machine, browser, health_path, settings, measure
):
    address, port = shared_socket(settings)
    before = {process.pid for process in every_process(machine)}
    # Takes the port as soon as it is free. An orphan would hold it.
    machine.succeed(
        f"systemd-run --unit=squatter /usr/bin/python3 -c '{SQUATTER}' {address} {port}"
    )
    try:
        kill(machine, main_pid(machine, "supervisor"))
        machine.wait_until_succeeds(f"ss -Hltnp 'sport = :{port}' | grep python3", BACK_SECONDS)
        machine.wait_until_succeeds(
            "journalctl -u supervisor --no-pager -n 50"
            f" | grep -F '{address}:{port} is taken by python3 (pid '",
            BACK_SECONDS,
        )
        # No process runs: nginx itself answers.
        answer = browser.get(health_path)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        result = machine.execute("laurel status")
        assert result.status == 1
        assert f"port {port} is held by python3" in result.stderr
    finally:
        machine.succeed("systemctl stop squatter")
    started = time.monotonic()
    # systemd retries supervisor until the port is free.
    wait_until_healthy(machine, gone=before)
    measure("supervisord and its processes back, from their free port", time.monotonic() - started)
    assert orphans(machine) == []
    machine.wait_for_http(health_path)


@pytest.mark.where(PROCESS_MANAGER="supervisor")
@pytest.mark.unless(ASGI_SERVER=SHARING)
def test_killed_supervisord_without_port_returns(machine, health_path, measure):
    before = {process.pid for process in every_process(machine)}
    started = time.monotonic()
    kill(machine, main_pid(machine, "supervisor"))
    wait_until_healthy(machine, gone=before)
    measure("supervisord and its processes back", time.monotonic() - started)
    assert orphans(machine) == []
    machine.wait_for_http(health_path)


@pytest.mark.where(PROCESS_MANAGER="supervisor", ASGI_SERVER="daphne")
def test_descriptor_0_without_supervisor_is_explained(machine):
    result = machine.execute(
        "runuser -u site -- /usr/lib/laurel/exec-site daphne --fd 0 x:y </dev/null"
    )
    assert result.status == 1
    assert "[fcgi-program:asgi]" in result.stderr
