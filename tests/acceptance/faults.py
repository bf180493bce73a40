"""`make acceptance SUITE=faults`: each planted fault must make the check that is meant for it fail.

A check that always fails would catch every fault, so all checks must first pass on the unbroken
machine. One machine boots from the image. It is restored to the same snapshot for each fault; the
checks reach it over SSH.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pytest
from acceptance.stages import AS_FOUND, bring_up, let_units_start, settle
from machine import Machine, MachineError

TESTS = Path(__file__).resolve().parent
SNAPSHOT = "unbroken"
# How a check fails because of what it found on the machine. `succeed` and the waits raise the last
# two; a lost connection or a mistake in the check raises something else.
FINDINGS = re.compile(r"(assert |AssertionError|machine\.error\.Machine(Timeout)?Error)\b")


@dataclass(frozen=True)
class Fault:
    """A fault: shell text that root runs to plant it, and the check that must then fail.

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
        "a process of the site without a parent",
        "systemd-run --quiet --uid=site sleep 3600; sleep 1",
        "any_site/test_processes.py::test_site_user_has_no_orphans",
    ),
    Fault(
        'Connection "upgrade" always',
        f"sed -i 's/Connection $upstream_connection/Connection \"upgrade\"/' {SITE_CONF};"
        " systemctl reload nginx; sleep 3",
        "any_site/test_nginx.py::test_only_a_websocket_asks_a_process_for_an_upgrade",
    ),
    Fault(
        "a restart of the group instead of laurel reload",
        "printf '#!/bin/sh\\nsupervisorctl restart asgi:*\\n' >/usr/bin/laurel",
        "any_site/test_reload.py::test_reload_fails_no_request",
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
        "any_site/test_identity.py::test_only_the_user_data_key_is_authorized",
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
        "the datasource of another cloud left in the list",
        "sed -i 's/^datasource_list: \\[/& OpenStack,/' /run/cloud-init/cloud.cfg",
        "any_site/test_cloud_init.py::test_cloud_init_waits_for_no_other_datasource",
    ),
    Fault(
        "only the shared socket behind nginx",
        f"sed -i 's,http://channels-backend,http://shared-socket,' {SITE_CONF};"
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
        "chat_site/test_pages.py::test_form_is_accepted_on_forwarded_port",
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
        "any_site/test_recovery.py::test_killed_supervisord_returns_without_orphans",
    ),
    Fault(
        "laurel watch stopped",
        "systemctl stop laurel-watch",
        "any_site/test_recovery.py::test_a_stopped_process_is_replaced",
    ),
)


@dataclass(frozen=True)
class Run:
    """A run of pytest: its exit code, its output, and the outcome of each test."""

    status: int
    output: str
    outcomes: Sequence[tuple[str, str, str]] = ()  # file, test, outcome

    def of(self, check: str) -> list[str]:
        """The outcomes of a check, one for each of its parameters."""
        file, _, name = check.partition("::")
        return [
            outcome
            for path, test, outcome in self.outcomes
            if path.endswith(file) and name in (test, test.partition("[")[0])
        ]

    def passed(self, check: str) -> bool:
        """Whether the check ran and passed, with all its parameters."""
        return set(self.of(check)) == {"passed"}

    def caught(self, check: str) -> bool:
        """Whether the check ran, and failed because of what it found."""
        return self.status == pytest.ExitCode.TESTS_FAILED and "failed" in self.of(check)


def run_checks(machine: Machine, checks: Iterable[str], folder: Path = TESTS) -> Run:
    """Run checks of `folder` in one run of pytest, against the machine as it is."""
    with TemporaryDirectory() as work:
        report = Path(work) / "report.xml"
        ended = subprocess.run(
            [
                sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider",
                *(str(folder / check) for check in checks), "-k", AS_FOUND,
                "--junit-xml", str(report), "-o", "junit_family=xunit1",
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
        cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()  # noqa: S314
        outcomes = [(case.get("file", ""), case.get("name", ""), _outcome(case)) for case in cases]
    return Run(ended.returncode, ended.stdout + ended.stderr, outcomes)


def _outcome(case: ElementTree.Element) -> str:
    problems = [child for child in case if child.tag != "properties"]
    if not problems:
        return "passed"
    first, *_ = problems
    found = first.tag == "failure" and FINDINGS.match(first.get("message", ""))
    return "failed" if found else "error"


def prove(machine: Machine, faults: Sequence[Fault], folder: Path = TESTS) -> list[Fault]:
    """Try each fault on a machine whose state SNAPSHOT holds; return those without a proof."""
    started = time.monotonic()
    unproven = []
    checks = list(dict.fromkeys(fault.check for fault in faults))
    print(f"faults: {len(checks)} checks run on the unbroken machine", flush=True)
    unbroken = run_checks(machine, checks, folder)
    if not all(unbroken.passed(check) for check in checks):
        print(unbroken.output)
    for number, fault in enumerate(faults, start=1):
        verdict, output = "check did NOT pass unbroken", ""
        if unbroken.passed(fault.check):
            machine.restore(SNAPSHOT)
            machine.succeed(fault.plant)
            if fault.reboot:
                bring_up(machine, machine.reboot)
                let_units_start(machine)  # the fault may prevent the site from serving
            broken = run_checks(machine, [fault.check], folder)
            caught = broken.caught(fault.check)
            verdict = f"check passed unbroken, fault {'caught' if caught else 'MISSED'}"
            output = "" if caught else broken.output
        if not verdict.endswith("caught"):
            unproven.append(fault)
        print(
            f"[{number}/{len(faults)} {time.monotonic() - started:5.0f} s] {verdict}: {fault.name}"
            f"  ({fault.check.split('::')[1]})\n{output}",
            end="",
            flush=True,
        )
    return unproven


def main() -> int:
    """Try all faults, or those named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--only", default="", help="part of the names of the faults to try")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.only in fault.name]
    if not faults:
        parser.error(f"no fault is named like {options.only!r}")
    try:
        with Machine(options.image, name="faults", hostname="proof") as machine:
            print(f"faults: {options.image} boots ({machine.accelerator})", flush=True)
            bring_up(machine, machine.start)
            settle(machine, "/")
            machine.wait_until_succeeds("laurel status", timeout=300)
            machine.save(SNAPSHOT)
            unproven = prove(machine, faults)
    except MachineError as error:
        print(f"faults: {error}", file=sys.stderr)
        return 1
    print(f"{len(faults) - len(unproven)} proven, {len(unproven)} not")
    return 1 if unproven else 0


if __name__ == "__main__":
    sys.exit(main())
