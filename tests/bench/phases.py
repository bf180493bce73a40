"""The phases of a boot, from the machine's own clocks. They do not overlap, and they add up.

A phase ends at its milestone, and begins where the one before it ended. What runs beside the way to
the first page has no phase, because it lengthens that way only by the processor time that it takes:

- cloud-init's config and final stages: configure waits for its network stage only;
- nginx and Redis, which start after configure, beside migrate;
- sshd, which waits for cloud-init's network stage.
"""

from collections.abc import Iterator

MICROSECONDS = 1e-6  # the unit of systemd's timestamps

STARTED = "InactiveExitTimestampMonotonic"
DONE = "ActiveEnterTimestampMonotonic"

# From cloud-init 24.3 on, one process does the work of all stages. The network stage was
# cloud-init.service before.
CLOUD_INIT = "cloud-init-main.service"
LOCAL = "cloud-init-local.service"
NETWORK = ("cloud-init-network.service", "cloud-init.service")
CONFIG = "cloud-config.service"
FINAL = "cloud-final.service"
CONFIGURE = "laurel-configure.service"
MIGRATE = "laurel-migrate.service"
MANAGERS = ("supervisor.service", "laurel-processes.service")  # a machine has one of them
UNITS = (CLOUD_INIT, LOCAL, *NETWORK, CONFIG, FINAL, CONFIGURE, MIGRATE, *MANAGERS)

Figures = dict[str, dict[str, float]]


def figures(text: str, *, asked: float, ssh: float, page: float | None) -> Figures:
    """The figures of a boot, in seconds, from the output of `boot.ASK`.

    Its lines are NAME=VALUE: `uptime` and `time` (both seconds, the second of the wall clock), a
    `socket` for each process (wall clock), then properties of systemd and of its units.

    Args:
        asked: when the machine wrote `text`, in seconds from power-on, as are the next two.
        ssh: when sshd first greeted.
        page: when nginx first gave the site's page; None for a machine without a site.

    Returns:
        "phases": how long each took; they add up to the page, or else to sshd.
        "after": when SSH, the page and the last unit were there, from power-on.
        "beside": how long cloud-init's last two stages took.

    Raises:
        ValueError: systemd has not finished starting, or a line is missing.
    """
    sockets: list[float] = []
    values: dict[str, float] = {}
    units: dict[str, tuple[float, float]] = {}
    for block in text.split("\n\n"):
        lines = [line.split("=", 1) for line in block.splitlines() if "=" in line]
        properties = dict(lines)
        if "Id" not in properties:
            sockets += [float(value) for name, value in lines if name == "socket"]
            values |= {name: float(value) for name, value in properties.items()}
            continue
        started, done = (int(properties.get(name, 0)) * MICROSECONDS for name in (STARTED, DONE))
        if started and done:
            units[properties["Id"]] = (started, done)
    needed = ("uptime", "time", "UserspaceTimestampMonotonic", "FinishTimestampMonotonic")
    if missing := [name for name in needed if not values.get(name)]:
        raise ValueError(f"the machine does not say {', '.join(missing)}:\n{text}")
    uptime, time, userspace, finished = (values[name] for name in needed)
    kernel = asked - uptime  # when the kernel's clock began

    def ends() -> Iterator[tuple[str, float]]:
        """Each phase with when it ends, by the kernel's clock."""
        yield "firmware, boot loader", 0
        yield "kernel, initial RAM disk", userspace * MICROSECONDS
        for unit in [unit for unit in (CLOUD_INIT, LOCAL) if unit in units][:1]:
            yield "systemd", units[unit][0]
        if LOCAL in units:
            yield "cloud-init, local stage", units[LOCAL][1]
        for unit in [unit for unit in NETWORK if unit in units][:1]:
            yield "network", units[unit][0]
            yield "cloud-init, network stage", units[unit][1]
        if page is None:
            yield "sshd", ssh - kernel
            return
        if CONFIGURE in units:
            yield "the system's own units", units[CONFIGURE][0]
            yield "configure", units[CONFIGURE][1]
        for unit in (MIGRATE, *MANAGERS):
            if unit in units:
                name = unit.removesuffix(".service").removeprefix("laurel-")
                yield name, units[unit][1]
        if sockets:
            yield "first process", min(sockets) - (time - uptime)
        yield "first page", page - kernel

    stages = {"cloud-init, config stage": CONFIG, "cloud-init, final stage": FINAL}
    return {
        "phases": durations([(name, kernel + end) for name, end in ends()]),
        "after": {
            **({} if page is None else {"first page": page}),
            "SSH": ssh,
            "all units started": kernel + finished * MICROSECONDS,
        },
        "beside": {
            name: units[unit][1] - units[unit][0] for name, unit in stages.items() if unit in units
        },
    }


def durations(milestones: list[tuple[str, float]]) -> dict[str, float]:
    """How long each phase lasted, from the seconds at which they end.

    A phase that ended before the previous one took no time. None ends after the last milestone,
    which is by another clock.
    """
    limit = milestones[-1][1]
    found: dict[str, float] = {}
    reached = 0.0
    for name, end in milestones:
        passed = min(max(reached, end), limit)
        found[name] = passed - reached
        reached = passed
    return found
