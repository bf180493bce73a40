"""Logs: each process writes one, and each has a limit in bytes."""

import re
import uuid

import pytest
from acceptance import inside
from acceptance.choice import each_group
from acceptance.processes import processes, wait_until_logged


@pytest.mark.short
def test_each_process_logs_its_requests(machine):
    for process in processes(machine):
        path = f"/no-such-page-{uuid.uuid4()}"
        inside.ask(machine, path, socket=process.socket)
        wait_until_logged(machine, "asgi", path)


@pytest.mark.short
@pytest.mark.where(HTTP_SERVER="gunicorn")
def test_each_gunicorn_process_logs_refusals(machine):
    # gunicorn logs no requests, only those that it refuses.
    for process in processes(machine, "wsgi"):
        method = f"no-such-method-{uuid.uuid4()}"
        inside.ask(machine, "/", method=method, socket=process.socket)
        wait_until_logged(machine, "wsgi", method)


@pytest.mark.where(PROCESS_MANAGER="supervisor")
@each_group
def test_supervisor_bounds_each_process_log(host, group):
    conf = host.file(f"/etc/supervisor/conf.d/{group}.conf").content_string
    assert re.search(r"^stdout_logfile_maxbytes=10MB$", conf, re.M)
    assert re.search(r"^stdout_logfile_backups=3$", conf, re.M)


def test_journal_is_bounded(machine):
    assert "SystemMaxUse=200M" in machine.succeed(
        "systemd-analyze cat-config systemd/journald.conf"
    )


@pytest.mark.once
def test_nginx_logs_rotate_by_size_every_hour(machine):
    shown = machine.execute("logrotate --debug /etc/logrotate.d/site").stderr
    assert "nginx-access.log" in shown
    assert "error" not in shown.lower().replace("nginx-error.log", "")
    assert "OnCalendar=hourly" in machine.succeed(
        "systemctl show logrotate.timer -p TimersCalendar"
    ) or ("hourly" in machine.succeed("systemctl cat logrotate.timer"))


@pytest.mark.once
@pytest.mark.disruptive
def test_large_log_is_rotated(machine, browser, health_path):
    log = "/var/log/site/nginx-access.log"
    machine.succeed(f"truncate -s 60M {log} && logrotate /etc/logrotate.d/site")
    assert int(machine.succeed(f"stat -c %s {log}")) < 1 << 20
    browser.get(health_path + "?after-rotation")
    machine.wait_until_succeeds(f"grep -q after-rotation {log}", timeout=30)
