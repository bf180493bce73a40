"""The stages of an acceptance run: one machine is checked after its first boot and each restart."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from acceptance.settings import settings_of
from machine import Host, KernelPanicError, Machine, MachineTimeoutError
from machine.qemu import Firmware

FIRST_BOOT = "first-boot"
AFTER_REBOOT = "after-reboot"
AFTER_POWER_CUT = "after-power-cut"
STAGES = (FIRST_BOOT, AFTER_REBOOT, AFTER_POWER_CUT)
AS_FOUND = "as-found"  # a host that was already running

BOOTS = 3  # attempts, if an emulated kernel panics
BOOT_SECONDS = 600.0  # emulation on two cores: two minutes
FOUND_SECONDS = 120.0  # for a running host to accept a login, and for its site to answer


class Hardware(NamedTuple):
    """A stage's virtual CPUs and firmware."""

    cpus: int
    firmware: Firmware


# The first stage needs two processes, to check `laurel reload`. After the power cut the disk is in
# another machine, as when a cloud resizes one.
HARDWARE = {
    FIRST_BOOT: Hardware(cpus=2, firmware="bios"),
    AFTER_REBOOT: Hardware(cpus=2, firmware="bios"),
    AFTER_POWER_CUT: Hardware(cpus=3, firmware="uefi"),
}

# Lines for the end of the report.
remarks: list[str] = []

# Called right before the machine goes down, with the stage that follows.
before_restart: list[Callable[[Host, str], None]] = []


@dataclass
class Lifecycle:
    """Takes one machine through its `stages` in order, and calls `check` with it in each.

    `hostname` is the name in its meta-data, empty if we did not write them. `boot_ids` holds the
    kernel's boot ID of each stage. `kept` holds values that must be the same in later stages.
    """

    machine: Host
    stages: tuple[str, ...]
    check: Callable[[Host], None]
    hostname: str = ""
    settings: dict[str, str] = field(default_factory=dict)  # as the machine has them
    stage: str = ""
    boot_ids: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    _failure: Exception | None = None

    @property
    def health_path(self) -> str:
        """The path that a healthy process answers."""
        return self.settings["HEALTH_PATH"]

    def enter(self, stage: str) -> None:
        """Bring the machine to `stage`, through those before it.

        A stage that failed to start is not retried: each of its checks fails at once.
        """
        if self._failure:
            raise self._failure
        done = self.stages.index(self.stage) + 1 if self.stage else 0
        try:
            for next_stage in self.stages[done : self.stages.index(stage) + 1]:
                self._move_to(next_stage)
        except Exception as error:
            self._failure = error
            raise

    def _move_to(self, stage: str) -> None:
        if self.stage:
            for act in before_restart:
                act(self.machine, stage)
        if stage == AFTER_POWER_CUT and isinstance(self.machine, Machine):
            self.machine.crash()
            self.machine.refit(**HARDWARE[stage]._asdict())
        if stage == AFTER_REBOOT:
            bring_up(self.machine, self.machine.reboot)
        elif stage != AS_FOUND:
            bring_up(self.machine, self.machine.start)
        self.stage = stage
        self.boot_ids[stage] = self.machine.boot_id()
        self.settings = settings_of(self.machine)
        if stage != AS_FOUND:
            settle(self.machine, self.health_path)
        else:
            # It may have booted a moment ago. A site that never answers fails its checks.
            let_units_start(self.machine)
            with suppress(MachineTimeoutError):
                self.machine.wait_for_http(self.health_path, range(500), FOUND_SECONDS)
        self.check(self.machine)


def bring_up(
    machine: Host, boot: Callable[[], object], wait: Callable[[], object] | None = None
) -> None:
    """Call `boot`, then `wait`, which by default waits for a login.

    An emulated kernel sometimes panics in its first seconds, at an int3 with which it patches its
    own code: the emulation of several CPUs ran a stale copy (QEMU 7.2, one boot in twenty, more on
    a busy host). Such a boot is retried, twice at most, and reported. A broken kernel panics in
    each boot.
    """
    for attempts_left in reversed(range(BOOTS)):
        try:
            boot()
            if wait:
                wait()
            else:
                machine.wait_for_ssh(BOOT_SECONDS)
            return
        except KernelPanicError as panic:
            emulated = isinstance(machine, Machine) and machine.accelerator == "tcg"
            if not emulated or not attempts_left:
                raise
            remarks.append(f"retried after a panic under emulation: {str(panic).splitlines()[0]}")
        machine.crash()
        boot = machine.start


def settle(machine: Host, path: str) -> None:
    """Wait until a machine that has booted answers for `path` and starts no more units."""
    machine.wait_for_http(path, status=range(500), timeout=BOOT_SECONDS)
    let_units_start(machine)


def let_units_start(machine: Host) -> None:
    """Wait until a machine that has booted starts no more units, whatever state its site is in.

    Some start after the site answers, and a check must not race them.
    """
    # Exits with 1 if a unit failed, which test_no_unit_has_failed reports.
    machine.execute("systemctl is-system-running --wait", timeout=BOOT_SECONDS)
