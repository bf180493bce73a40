"""What holds for every instance, whatever cloud it is in.

The file of a cloud boots `machine` from what it has `ORDERED`, and takes these checks up by a class
of its own that inherits them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acceptance import cloud_init
from acceptance.processes import processes
from acceptance.settings import settings_of
from acceptance.web import Browser
from machine import Cloud, Machine
from machine.disk import GIB
from machine.qemu import Firmware

SITE = "www.example.com"
SITE_ENV = f"# of this machine alone\nSITE_HOSTS={SITE}\n"
HOSTNAME = "web-1"
RELOAD_SECONDS = 600.0

# Asks the question that it is given, and prints the status and the answer.
ASK = """
import json, sys, urllib.error, urllib.request

method, address, headers, body = json.loads(sys.argv[1])
request = urllib.request.Request(address, body and body.encode(), headers, method=method)
try:
    with urllib.request.urlopen(request, timeout=60) as answer:
        told = answer.status, answer.read().decode()
except urllib.error.HTTPError as error:
    told = error.code, error.read().decode()
print(json.dumps(told))
"""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What its user orders of a cloud, with a name and user-data of its own.

    Attributes:
        cloud: where.
        cpus: how many.
        memory_mib: in MiB.
        disk_gib: in GiB.
        firmware: what the cloud boots this image with.
    """

    cloud: Cloud
    cpus: int = 2
    memory_mib: int = 2048
    disk_gib: int = 10
    firmware: Firmware = "bios"

    def arguments(self, name: str) -> dict[str, Any]:
        """The arguments of `Machine` for it, called `name` in errors."""
        return {
            "name": name,
            "cloud": self.cloud,
            "cpus": self.cpus,
            "memory_mib": self.memory_mib,
            "disk_gib": self.disk_gib,
            "firmware": self.firmware,
            "hostname": HOSTNAME,
            "extra_user_data": cloud_init.site_env(SITE_ENV),
        }


def ask(
    machine: Machine,
    method: str,
    address: str,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> tuple[int, str]:
    """Ask the cloud from inside of the machine; return the status and the answer's text."""
    question = json.dumps([method, address, dict(headers or {}), body])
    status, text = json.loads(machine.succeed(f"python3 - '{question}'", stdin=ASK))
    return status, text


class AnInstance:
    """The checks; `order` and `machine` are fixtures of the cloud's own file."""

    def test_the_datasource_is_the_clouds_and_no_other_was_waited_for(
        self, machine: Machine, order: Order
    ) -> None:
        assert cloud_init.datasource(machine) == order.cloud.datasource
        assert cloud_init.candidates(machine) == list(order.cloud.candidates)

    def test_the_users_key_comes_from_the_cloud_and_opens_the_machine(
        self, machine: Machine
    ) -> None:
        keys = machine.succeed(f"cat ~{machine.login.user}/.ssh/authorized_keys").splitlines()
        assert [line for line in keys if line] == [machine.public_key]

    def test_the_host_name_is_its_users(self, machine: Machine) -> None:
        assert machine.succeed("hostname").strip() == HOSTNAME
        assert machine.execute(f"getent hosts {HOSTNAME}").status == 0

    def test_the_settings_of_the_user_data_are_kept_and_a_key_is_added(self, host: Any) -> None:
        settings = host.file("/etc/laurel/site.env")
        given, key = settings.content_string.split("SECRET_KEY=")
        assert given.startswith(SITE_ENV)
        assert len(key.strip()) == 50
        assert (settings.user, settings.group, settings.mode) == ("root", "site", 0o640)

    def test_the_site_answers_to_its_name_and_to_those_that_the_cloud_gives(
        self, machine: Machine, order: Order, browser: Browser
    ) -> None:
        environment = machine.succeed("cat /run/laurel/environment")
        (allowed,) = (
            line for line in environment.splitlines() if line.startswith("ALLOWED_HOSTS=")
        )
        known = allowed.partition("=")[2].strip("'\"").split(",")
        names = [SITE, *order.cloud.public]
        assert set(names) <= set(known)
        settings = settings_of(machine)
        page = settings["PAGE_PATH"] or settings["HEALTH_PATH"]
        for name in names:
            assert browser.get(page, headers={"Host": name}).status_code < 400, name

    def test_the_root_fills_the_disk(self, machine: Machine, order: Order) -> None:
        root = int(machine.succeed("findmnt -nbo SIZE /"))
        assert root > order.disk_gib * GIB * 0.9

    def test_as_many_processes_run_as_its_hardware_bears(
        self, machine: Machine, order: Order
    ) -> None:
        fit = (order.memory_mib - 256) // 128
        wanted = min(order.cpus, fit)
        assert [process.state for process in processes(machine)] == ["RUNNING"] * wanted

    def test_cloud_init_is_done_without_a_warning(
        self, machine: Machine, order: Order, measure: Any
    ) -> None:
        complaints = order.cloud.complaints
        troubles = cloud_init.troubles(machine)
        own = [each for each in troubles if not any(re.search(part, each) for part in complaints)]
        assert own == []
        for what, seconds in machine.timings.items():
            measure(f"{machine.name}: {what}", seconds)

    def test_a_reload_has_the_memory_that_it_needs(self, machine: Machine) -> None:
        machine.succeed("laurel reload", timeout=RELOAD_SECONDS)
        killed = machine.execute("journalctl -k -b --no-pager | grep -i 'out of memory\\|oom-kill'")
        assert killed.stdout == ""
        failed = machine.succeed("systemctl list-units --state=failed --plain --no-legend")
        assert failed.strip() == ""
