"""What holds for every instance, whatever its cloud.

The file of a cloud says what it has `ORDERED`, and runs these tests by a class that inherits them.
"""

import re
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


@dataclass(frozen=True, kw_only=True)
class Order:
    """An instance as its user orders it, with a name and user-data."""

    cloud: Cloud
    cpus: int = 2
    memory_mib: int = 2048
    disk_gib: int = 10
    firmware: Firmware = "bios"

    def arguments(self, name: str) -> dict[str, Any]:
        """Return the arguments of `Machine`."""
        return {
            **vars(self),
            "name": name,
            "hostname": HOSTNAME,
            "extra_user_data": cloud_init.site_env(SITE_ENV),
        }


class AnInstance:
    """The tests; `order` and `machine` are the fixtures of the cloud's file."""

    def test_no_other_datasource_is_tried(self, machine: Machine, order: Order) -> None:
        assert cloud_init.datasource(machine) == order.cloud.datasource
        assert cloud_init.candidates(machine) == list(order.cloud.candidates)

    def test_only_the_users_key_opens_the_machine(self, machine: Machine) -> None:
        keys = machine.succeed(f"cat ~{machine.login.user}/.ssh/authorized_keys").splitlines()
        assert [line for line in keys if line] == [machine.public_key]

    def test_host_name_is_the_users(self, machine: Machine) -> None:
        assert machine.succeed("hostname").strip() == HOSTNAME
        assert machine.execute(f"getent hosts {HOSTNAME}").status == 0

    def test_site_env_keeps_user_data_and_gets_a_key(self, host: Any) -> None:
        settings = host.file("/etc/laurel/site.env")
        given, key = settings.content_string.split("SECRET_KEY=")
        assert given.startswith(SITE_ENV)
        assert len(key.strip()) == 50
        assert (settings.user, settings.group, settings.mode) == ("root", "site", 0o640)

    def test_site_answers_to_its_name_and_the_clouds(
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

    def test_root_fills_the_disk(self, machine: Machine, order: Order) -> None:
        root = int(machine.succeed("findmnt -nbo SIZE /"))
        assert root > order.disk_gib * GIB * 0.9

    def test_process_count_follows_the_hardware(self, machine: Machine, order: Order) -> None:
        fit = (order.memory_mib - 256) // 128
        wanted = min(order.cpus, fit)
        assert [process.state for process in processes(machine)] == ["RUNNING"] * wanted

    def test_cloud_init_is_done_without_a_warning(
        self, machine: Machine, order: Order, measure: Any
    ) -> None:
        expected = order.cloud.complaints
        troubles = cloud_init.troubles(machine)
        assert [each for each in troubles if not any(re.search(p, each) for p in expected)] == []
        for what, seconds in machine.timings.items():
            measure(f"{machine.name}: {what}", seconds)

    def test_reload_has_enough_memory(self, machine: Machine) -> None:
        machine.succeed("laurel reload", timeout=RELOAD_SECONDS)
        killed = machine.execute("journalctl -k -b --no-pager | grep -i 'out of memory\\|oom-kill'")
        assert killed.stdout == ""
        failed = machine.succeed("systemctl list-units --state=failed --plain --no-legend")
        assert failed.strip() == ""
