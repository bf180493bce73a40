"""The stages of a proof: a machine is checked as it first boots, and after each restart."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from acceptance.settings import settings_of
from machine import Host, KernelPanicError, Machine, MachineTimeoutError
from machine.qemu import Firmware

FIRST_BOOT = "first-boot"
AFTER_REBOOT = "after-reboot"
AFTER_POWER_CUT = "after-power-cut"
STAGES = (FIRST_BOOT, AFTER_REBOOT, AFTER_POWER_CUT)
AS_FOUND = "as-found"  # a host that we did not start

BOOTS = 3  # of an emulated kernel that panics
BOOT_SECONDS = 600.0  # emulation on two cores: two minutes
FOUND_SECONDS = 120.0  # until a host that runs takes a login, and until its site answers


class Hardware(NamedTuple):
    """What a stage's machine is: its virtual CPUs and its firmware."""

    cpus: int
    firmware: Firmware


# `laurel reload`, which the first stage checks, needs two processes. After the power cut the disk
# is in another machine, as when a cloud resizes one.
HARDWARE = {
    FIRST_BOOT: Hardware(cpus=2, firmware="bios"),
    AFTER_REBOOT: Hardware(cpus=2, firmware="bios"),
    AFTER_POWER_CUT: Hardware(cpus=3, firmware="uefi"),
}

# What the report must say besides its checks.
remarks: list[str] = []

# Run on the machine as soon as it serves, with the stage that begins.
after_boot: list[Callable[[Host, str], None]] = []

# Run on the machine right before it goes down, with the stage that follows.
before_restart: list[Callable[[Host, str], None]] = []

# Open while the site is reloaded: what else looks at what a reload does.
during_reload: list[Callable[[Host], AbstractContextManager[None]]] = []


@dataclass
class Course:
    """Takes one machine through its `stages` in order.

    `hostname` is what its meta-data calls the machine, empty where we did not write them.
    `boot_ids` holds the kernel's name of each boot, by stage: two stages never share one.
    `kept` holds what a check saw at an earlier stage and must see again.
    """

    machine: Host
    stages: tuple[str, ...] = STAGES
    hostname: str = ""
    settings: dict[str, str] = field(default_factory=dict)  # as the machine has them
    stage: str = ""
    boot_ids: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    _failure: Exception | None = None

    @property
    def health_path(self) -> str:
        """What a healthy process answers."""
        return self.settings["HEALTH_PATH"]

    def enter(self, stage: str) -> None:
        """Bring the machine to `stage`, through those before it, with nothing between its last
        request and its end.

        A stage that was not reached is not tried again: each of its checks fails at once.
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
            # It may have been started a moment ago; a site that never comes is the checks' to tell.
            let_units_start(self.machine)
            with suppress(MachineTimeoutError):
                self.machine.wait_for_http(self.health_path, range(500), FOUND_SECONDS)
        for act in after_boot:
            act(self.machine, stage)


def bring_up(
    machine: Host, boot: Callable[[], object], wait: Callable[[], object] | None = None
) -> None:
    """Boot a machine and `wait` until it is up; by default that is when one can log in.

    An emulated kernel now and then panics in its first seconds, at an int3 with which it patches
    its own code: the emulation of several CPUs ran a stale copy of it (QEMU 7.2, one boot of some
    twenty, more on a busy host). Such a boot is begun again, twice at most, and remarked on. An
    image that makes its kernel panic does so each time.
    """
    boots_left = BOOTS
    while True:
        boots_left -= 1
        try:
            boot()
            if wait:
                wait()
            else:
                machine.wait_for_ssh(BOOT_SECONDS)
            return
        except KernelPanicError as panic:
            emulated = isinstance(machine, Machine) and machine.accelerator == "tcg"
            if not emulated or not boots_left:
                raise
            said = str(panic).splitlines()[0]
            remarks.append(f"begun again after a panic under emulation: {said}")
        machine.crash()
        boot = machine.start


def settle(machine: Host, path: str) -> None:
    """Wait until a machine that has booted serves `path` and starts nothing any more."""
    machine.wait_for_http(path, status=range(500), timeout=BOOT_SECONDS)
    let_units_start(machine)


def let_units_start(machine: Host) -> None:
    """Wait until a machine that has booted starts no unit any more, be its site as it may.

    Some still start after the site answers; a check must not race them.
    """
    # A failed unit makes this exit with 1, which is the business of the check for failed units.
    machine.execute("systemctl is-system-running --wait", timeout=BOOT_SECONDS)
