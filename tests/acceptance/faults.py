"""`make acceptance-faults`: each planted fault must be caught by the check that is meant for it.

A check that cannot fail proves nothing. One machine boots from the image; for each fault it is
put back to how it was, the fault is planted, and the named check runs against it over SSH.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from acceptance.stages import AS_FOUND, bring_up, let_units_start, settle
from machine import Machine, MachineError

TESTS = Path(__file__).resolve().parent
SNAPSHOT = "sound"


@dataclass(frozen=True)
class Fault:
    """What to break, as root's shell text, and the check that must then fail.

    `reboot` is for faults that show only after a restart.
    """

    name: str
    plant: str
    check: str
    reboot: bool = False


SITE_CONF = "/etc/nginx/sites-available/site.conf"
ASGI_CONF = "/etc/supervisor/conf.d/asgi.conf"
TEMPLATES = "/usr/share/laurel/templates"

FAULTS = (
    Fault(
        "a disabled service",
        "systemctl disable nginx",
        "any_site/test_packages.py::test_service_runs_and_is_enabled[as-found-nginx]",
    ),
    Fault(
        "a wrong owner of /run/daphne",
        "chown root:root /run/daphne",
        "any_site/test_run_directory.py::test_run_directory_belongs_to_site",
    ),
    Fault(
        "the tmpfiles entry removed",
        "rm /usr/lib/tmpfiles.d/daphne.conf",
        "any_site/test_run_directory.py::test_run_directory_belongs_to_site",
        reboot=True,
    ),
    Fault(
        "the guide's literal $ back in the tmpfiles entry",
        "sed -i 's/^d/$ d/' /usr/lib/tmpfiles.d/daphne.conf",
        "any_site/test_run_directory.py::test_systemd_accepts_the_entry",
    ),
    Fault(
        "the guide's fixed numprocs",
        f"sed -i 's/^numprocs=.*/numprocs=4/' {TEMPLATES}{ASGI_CONF}",
        "any_site/test_processes.py::test_one_process_runs_for_each_cpu",
        reboot=True,
    ),
    Fault(
        "a process of the site that nobody looks after",
        "systemd-run --quiet --uid=site sleep 3600; sleep 1",
        "any_site/test_processes.py::test_every_process_of_site_is_looked_after",
    ),
    Fault(
        'Connection "upgrade" always',
        f"sed -i 's/Connection $upstream_connection/Connection \"upgrade\"/' {SITE_CONF};"
        " systemctl reload nginx; sleep 3",
        "any_site/test_nginx.py::test_only_a_websocket_asks_a_process_for_an_upgrade",
    ),
    Fault(
        "a group restart in place of laurel reload",
        "printf '#!/bin/sh\\nsupervisorctl restart asgi:*\\n' >/usr/bin/laurel",
        "any_site/test_reload.py::test_a_reload_fails_no_request_even_if_a_process_can_not_start",
    ),
    Fault(
        "redis on 0.0.0.0",
        "sed -i 's/^bind .*/bind 0.0.0.0/' /etc/redis/redis.conf; systemctl restart redis-server",
        "any_site/test_sockets.py::test_only_ssh_and_http_listen_beyond_loopback",
    ),
    Fault(
        "a baked SECRET_KEY",
        "touch -d '1 year ago' /etc/laurel/site.env",
        "any_site/test_identity.py::test_secret_key_is_younger_than_the_machine",
    ),
    Fault(
        "a build key left behind",
        "install -d -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -C laurel-build -f /tmp/k;"
        " cat /tmp/k.pub >>/root/.ssh/authorized_keys",
        "any_site/test_identity.py::test_only_the_key_of_the_user_data_opens_the_machine",
    ),
    Fault(
        "an error in the journal",
        "logger -p user.err 'something broke'",
        "any_site/test_boot.py::test_journal_has_no_unexplained_error",
    ),
    Fault(
        "a warning of cloud-init",
        """sed -i 's/"recoverable_errors": {}/"recoverable_errors": {"WARNING": ["odd"]}/'"""
        " /run/cloud-init/status.json",
        "any_site/test_cloud_init.py::test_cloud_init_is_done_without_a_warning",
    ),
    Fault(
        "a datasource of another cloud left to be waited for",
        "sed -i 's/^datasource_list: \\[/& OpenStack,/' /run/cloud-init/cloud.cfg",
        "any_site/test_cloud_init.py::test_no_other_datasource_was_waited_for",
    ),
    Fault(
        "the shared socket alone behind nginx",
        f"sed -i '/server unix:/d; s/ backup / /; s/least_conn;//' {SITE_CONF};"
        " systemctl reload nginx; sleep 3",
        "chat_site/test_websockets.py::test_websockets_are_spread_evenly",
    ),
    Fault(
        "the client's own X-Forwarded-For passed on",
        "sed -i 's/X-Forwarded-For $remote_addr/X-Forwarded-For $proxy_add_x_forwarded_for/'"
        f" {SITE_CONF}; systemctl reload nginx; sleep 3",
        "chat_site/test_proxy_headers.py::test_a_forged_client_address_is_not_believed",
    ),
    Fault(
        "the Host header without its port",
        f"sed -i 's/Host $http_host/Host $host/' {SITE_CONF}; systemctl reload nginx; sleep 3",
        "chat_site/test_pages.py::test_form_is_taken_on_the_forwarded_port",
    ),
    Fault(
        "the code folder as nginx's root",
        f"sed -i 's,^    root .*,    root /srv/site/current;,' {SITE_CONF};"
        " chmod -R o+rX /srv/site/current/app; systemctl reload nginx; sleep 3",
        "any_site/test_nginx.py::test_code_and_data_are_never_served",
    ),
    Fault(
        "Debian's KillMode back",
        "rm /etc/systemd/system/supervisor.service.d/laurel.conf; systemctl daemon-reload",
        "any_site/test_recovery.py::test_killed_supervisord_leaves_no_orphan_and_is_back_once_its_port_is_free",
    ),
    Fault(
        "no watch over hung processes",
        "systemctl stop laurel-watch",
        "any_site/test_recovery.py::test_a_stopped_process_is_replaced",
    ),
)


def caught(machine: Machine, fault: Fault) -> tuple[bool, str]:
    """Plant `fault`, run its check, and return whether the check failed, with what it printed."""
    machine.restore(SNAPSHOT)
    machine.succeed(fault.plant)
    if fault.reboot:
        bring_up(machine, machine.reboot)
        let_units_start(machine)  # the fault may keep the site from serving
    # What pytest says of an assertion that failed is 1; anything else is a fault of ours.
    ended = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider",
            str(TESTS / fault.check), "-k", AS_FOUND,
            "--host", f"{machine.login.user}@127.0.0.1:{machine.ssh_port}",
            "--key", str(machine.login.key),
            "--url", machine.url,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"DISRUPT": "1", "PATH": "/usr/bin:/bin"},
        cwd=TESTS.parent.parent,
    )  # fmt: skip
    return ended.returncode == 1 and "failed" in ended.stdout, ended.stdout + ended.stderr


def main() -> int:
    """Try every fault, or those named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--only", default="", help="part of the names of the faults to try")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.only in fault.name]
    missed = []
    started = time.monotonic()
    try:
        with Machine(options.image, name="faults", hostname="proof") as machine:
            print(f"faults: {options.image} boots ({machine.accelerator})", flush=True)
            bring_up(machine, machine.start)
            settle(machine, "/")
            machine.wait_until_succeeds("laurel status", timeout=300)
            machine.save(SNAPSHOT)
            for number, fault in enumerate(faults, start=1):
                found, told = caught(machine, fault)
                verdict = "caught" if found else "MISSED"
                elapsed = time.monotonic() - started
                print(
                    f"[{number}/{len(faults)} {elapsed:5.0f} s] {verdict}  {fault.name}"
                    f"  by {fault.check.split('::')[1]}",
                    flush=True,
                )
                if not found:
                    missed.append(fault.name)
                    print(told)
    except MachineError as error:
        print(f"faults: {error}", file=sys.stderr)
        return 1
    print(f"{len(faults) - len(missed)} caught, {len(missed)} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
