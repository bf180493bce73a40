"""The phases of a boot, from the machine's own clocks: none overlaps another, and they add up.

All seconds are from power-on. A phase ends where its milestone is passed, and begins where the one
before it ended. What runs beside the way to the first page lengthens it only by what the processor
gives to it, and has no phase:

- cloud-init's config and final stages: configure waits for its network stage alone;
- nginx and Redis, which start as soon as configure has ended, beside migrate;
- sshd, which waits for cloud-init's network stage, and for nothing of the site.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MICROSECONDS = 1e-6  # systemd's timestamps count these

STARTED = "InactiveExitTimestampMonotonic"
DONE = "ActiveEnterTimestampMonotonic"

# cloud-init 24.3 and later is one process, which the units of its stages ask for their work. Its
# network stage was cloud-init.service before.
CLOUD_INIT = "cloud-init-main.service"
LOCAL = "cloud-init-local.service"
NETWORK = ("cloud-init-network.service", "cloud-init.service")
CONFIG = "cloud-config.service"
FINAL = "cloud-final.service"
CONFIGURE = "laurel-configure.service"
MIGRATE = "laurel-migrate.service"
MANAGERS = ("supervisor.service", "laurel-processes.service")  # a machine has one of them
UNITS = (CLOUD_INIT, LOCAL, *NETWORK, CONFIG, FINAL, CONFIGURE, MIGRATE, *MANAGERS)


@dataclass(frozen=True)
class Clocks:
    """What a machine that has booted tells of its boot, in seconds of its monotonic clock.

    That clock begins with the kernel, once that has been loaded and unpacked.

    Attributes:
        now: when it was asked.
        userspace: when systemd began, at the initial RAM disk's end.
        finished: when systemd had started all that it had to.
        units: for each unit that has started, when it did and when it was done.
        socket: when the first of the site's processes had its own socket; None where none has.
    """

    now: float
    userspace: float
    finished: float
    units: Mapping[str, tuple[float, float]]
    socket: float | None


def parse(text: str) -> Clocks:
    """Return what the output of `boot.ASK` says.

    Its lines are `NAME=VALUE`: `uptime` and `time` (both seconds, the second of the wall clock),
    a `socket` for each process (the wall clock's seconds), then the properties of systemd and of
    its units.

    Raises:
        ValueError: systemd has not finished starting, or a line that must be there is not.
    """
    sockets: list[float] = []
    values: dict[str, str] = {}
    units: dict[str, tuple[float, float]] = {}
    for block in text.split("\n\n"):
        lines = [line.split("=", 1) for line in block.splitlines() if "=" in line]
        sockets += [float(value) for name, value in lines if name == "socket"]
        properties = dict(lines)
        if "Id" not in properties:
            values |= properties
            continue
        started, done = (int(properties.get(name, 0)) * MICROSECONDS for name in (STARTED, DONE))
        if started and done:
            units[properties["Id"]] = (started, done)
    missing = {"uptime", "time", "UserspaceTimestampMonotonic", "FinishTimestampMonotonic"} - {
        name for name, value in values.items() if float(value)
    }
    if missing:
        raise ValueError(f"the machine does not say {', '.join(sorted(missing))}:\n{text}")
    # From the wall clock to the monotonic one.
    behind = float(values["time"]) - float(values["uptime"])
    return Clocks(
        now=float(values["uptime"]),
        userspace=int(values["UserspaceTimestampMonotonic"]) * MICROSECONDS,
        finished=int(values["FinishTimestampMonotonic"]) * MICROSECONDS,
        units=units,
        socket=min(sockets) - behind if sockets else None,
    )


@dataclass(frozen=True)
class Boot:
    """One boot, in seconds from power-on.

    Attributes:
        kernel: when the kernel's clock began.
        ssh: when sshd first greeted.
        page: when nginx first gave the site's page; None for a machine without a site.
        clocks: the machine's own.
        work: processor seconds that the machine had cost this host by then: to "first page", "SSH".
    """

    kernel: float
    ssh: float
    page: float | None
    clocks: Clocks
    work: Mapping[str, float] = field(default_factory=dict)

    def milestones(self) -> list[tuple[str, float]]:
        """Return each phase with when it ends, in order; the last is the page, or else sshd."""
        units = {
            unit: (self.kernel + started, self.kernel + done)
            for unit, (started, done) in self.clocks.units.items()
        }
        ends = [
            ("firmware, boot loader", self.kernel),
            ("kernel, initial RAM disk", self.kernel + self.clocks.userspace),
        ]
        for unit in (CLOUD_INIT, LOCAL):
            if unit in units:
                ends.append(("systemd", units[unit][0]))
                break
        if LOCAL in units:
            ends.append(("cloud-init, local stage", units[LOCAL][1]))
        for unit in NETWORK:
            if unit in units:
                ends.append(("network", units[unit][0]))
                ends.append(("cloud-init, network stage", units[unit][1]))
                break
        if self.page is None:
            return [*ends, ("sshd", self.ssh)]
        if CONFIGURE in units:
            ends.append(("the system's own units", units[CONFIGURE][0]))
            ends.append(("configure", units[CONFIGURE][1]))
        if MIGRATE in units:
            ends.append(("migrate", units[MIGRATE][1]))
        for unit in MANAGERS:
            if unit in units:
                ends.append((unit.removesuffix(".service"), units[unit][1]))
        if self.clocks.socket is not None:
            ends.append(("first process", self.kernel + self.clocks.socket))
        return [*ends, ("first page", self.page)]

    def phases(self) -> dict[str, float]:
        """Return how long each phase took; together they are the last milestone."""
        return durations(self.milestones())

    def beside(self) -> dict[str, float]:
        """Return how long what is not on the way to the page took."""
        stages = (("cloud-init, config stage", CONFIG), ("cloud-init, final stage", FINAL))
        units = self.clocks.units
        return {name: units[unit][1] - units[unit][0] for name, unit in stages if unit in units}

    def after(self) -> dict[str, float]:
        """Return how long after power-on each end was reached."""
        page = {} if self.page is None else {"first page": self.page}
        return page | {"SSH": self.ssh, "all units started": self.kernel + self.clocks.finished}


def durations(milestones: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return how long each phase lasted, from the seconds at which they end.

    One that had ended before the phase before it did cost nothing. The last milestone is the end
    of all: what is said to have ended later had ended by then, if two clocks disagree.
    """
    ends = list(milestones)
    limit = ends[-1][1]
    found: dict[str, float] = {}
    reached = 0.0
    for name, end in ends:
        passed = min(max(reached, end), limit)
        found[name] = passed - reached
        reached = passed
    return found
