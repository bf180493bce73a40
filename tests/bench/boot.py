"""`make bench`: how long the image takes from power-on to its first page, phase by phase.

The bare base disk and the image boot in turn, each on a fresh overlay: a first boot, then a second
after an orderly shutdown. Only the ratios of two columns of one run can be compared: seconds depend
on the host and its other work.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from acceptance import stages
from acceptance.stages import bring_up, let_units_start
from bench.phases import DONE, STARTED, UNITS, Figures, figures
from bench.watched import WatchedMachine
from machine import MachineError

CPUS = 2
MEMORY_MIB = 2048
DISK_GIB = 8  # larger than the image: growing the root is part of a first boot
FIRST, LATER = "first", "later"

# What `phases.figures` reads. D-Bus times out after 25 s, too soon for an emulated machine.
ASK = f"""\
export SYSTEMD_BUS_TIMEOUT=300
for socket in /run/daphne/*.sock; do
    if [ -e "$socket" ]; then stat -c socket=%.3Z "$socket"; fi
done
systemctl show --property=UserspaceTimestampMonotonic,FinishTimestampMonotonic
for unit in {" ".join(UNITS)}; do
    echo
    systemctl show --property=Id,{STARTED},{DONE} "$unit"
done
"""
NOW = "cut -d' ' -f1 /proc/uptime | sed s/^/uptime=/; date +time=%s.%N"
# Details of where the time went, for the report.
EXPLAIN = """\
export SYSTEMD_BUS_TIMEOUT=300
systemd-analyze blame --no-pager | head -25
systemd-analyze critical-chain --no-pager
grep -hE 'took ([1-9]|0[.][3-9])' /var/log/cloud-init.log | tail -40
"""
# The parts of the table, with their heads.
PARTS = {
    "phases": "one after the other",
    "after": "from power-on to",
    "beside": "beside them",
    "work": "this host's processors, to",
}


def ask(machine: WatchedMachine) -> Figures:
    """The figures of the boot that has just ended."""
    let_units_start(machine)
    told = machine.succeed(ASK)
    # Last, on an open connection, to relate the kernel's clock to ours.
    before = time.monotonic()
    now = machine.succeed(NOW)
    asked = (before + time.monotonic()) / 2 - machine.power_on
    assert machine.ssh is not None
    work = {"SSH": machine.ssh_work}
    if machine.page_seen is not None:
        work = {"first page": machine.page_work, **work}
    found = figures(f"{now}{told}", asked=asked, ssh=machine.ssh, page=machine.page_seen)
    return {**found, "work": work}


def two_boots(
    disk: Path, name: str, page: str | None, user: str | None, explained: dict[str, str]
) -> dict[str, Figures]:
    """Boot a disk twice, on one overlay; `explained` gets details of where the time went."""
    machine = WatchedMachine(
        disk,
        name=f"bench-{name}",
        cpus=CPUS,
        memory_mib=MEMORY_MIB,
        disk_gib=DISK_GIB,
        ssh_user=user,
        page=page,
    )
    boots = {}
    with machine:
        for which in (FIRST, LATER):
            bring_up(machine, machine.start)
            boots[which] = ask(machine)
            explained[f"{name} {which}"] = machine.execute(EXPLAIN).stdout
            machine.shutdown()
    return boots


def means(boots: list[Figures]) -> Figures:
    """The mean of each figure of several boots of one disk."""
    return {
        part: {name: statistics.mean(boot[part][name] for boot in boots) for name in of_first}
        for part, of_first in boots[0].items()
    }


def table(columns: Mapping[str, Figures]) -> list[str]:
    """The lines of the table: a column for each boot, a row for each figure."""
    # The last column has the most phases; those of the others follow them.
    names = {
        part: list(dict.fromkeys(n for each in reversed([*columns.values()]) for n in each[part]))
        for part in PARTS
    }
    width = 2 + max(len(name) for part in names.values() for name in part)
    lines = [f"{'seconds':{width}}" + "".join(f"{column:>14}" for column in columns)]
    for part, head in PARTS.items():
        lines.append(head)
        for name in names[part]:
            values = [each[part].get(name) for each in columns.values()]
            cells = "".join(f"{'' if value is None else f'{value:.1f}':>14}" for value in values)
            lines.append(f"  {name:{width - 2}}{cells}")
    return lines


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--base", type=Path, required=True, help="the bare base disk")
    parser.add_argument("--json", type=Path, required=True, help="file for the figures")
    parser.add_argument("--page", default="/", help="the site's page (%(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="of both disks (%(default)s)")
    options = parser.parse_args()
    # The base disk's name does not say its system.
    user = "ubuntu" if "ubuntu" in options.image.name else None
    disks = {"base": (options.base, None), "image": (options.image, options.page)}
    boots: dict[str, list[Figures]] = {
        f"{name} {which}": [] for which in (FIRST, LATER) for name in disks
    }
    explained: dict[str, str] = {}
    started = time.monotonic()
    try:
        for number in range(1, options.rounds + 1):
            for name, (disk, page) in disks.items():
                elapsed = time.monotonic() - started
                print(f"[{number}/{options.rounds} {elapsed:4.0f} s] {name}: {disk}", flush=True)
                for which, boot in two_boots(disk, name, page, user, explained).items():
                    boots[f"{name} {which}"].append(boot)
    except MachineError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    columns = {column: means(each) for column, each in boots.items()}
    # SSH is what both disks have.
    ratios = {
        which: columns[f"image {which}"]["after"]["SSH"] / columns[f"base {which}"]["after"]["SSH"]
        for which in (FIRST, LATER)
    }
    print(*table(columns), sep="\n")
    for which, ratio in ratios.items():
        print(f"power-on to SSH, image over base, {which} boot: {ratio:.2f}")
    print(*stages.remarks, sep="\n", end="")
    report = {
        "image": options.image.name,
        "rounds": options.rounds,
        "seconds": columns,
        "ssh_image_over_base": ratios,
        "systemd-analyze": explained,
        "remarks": stages.remarks,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
