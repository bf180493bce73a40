"""`make bench`: how long the image takes from power-on to its first page, phase by phase.

The bare base disk and the image boot in turn, each on a fresh overlay: a first boot, then one more
after an orderly shutdown. Seconds of one machine's emulation mean nothing on another, nor beside
other work: what can be compared is the ratio of two columns of one run.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from acceptance import stages
from acceptance.stages import bring_up, let_units_start
from bench.phases import DONE, STARTED, UNITS, Boot, parse
from bench.watched import WatchedMachine
from machine import MachineError

CPUS = 2
MEMORY_MIB = 2048
DISK_GIB = 8  # larger than the image's, as a cloud's: growing the root is part of a first boot
ROUNDS = 1
FIRST, LATER = "first", "later"

# What `phases.parse` reads. D-Bus gives up after 25 s, and an emulated machine may take longer.
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
# What the time went to, for whoever wants to shorten it.
EXPLAIN = """\
export SYSTEMD_BUS_TIMEOUT=300
systemd-analyze blame --no-pager | head -25
systemd-analyze critical-chain --no-pager
grep -hE 'took ([1-9]|0[.][3-9])' /var/log/cloud-init.log | tail -40
"""


def ask(machine: WatchedMachine) -> Boot:
    """Return what the boot that has ended was like."""
    let_units_start(machine)
    told = machine.succeed(ASK)
    # Asked last, over a connection that is warm: it tells when the kernel's clock began by ours.
    before = time.monotonic()
    now = machine.succeed(NOW)
    asked = (before + time.monotonic()) / 2
    clocks = parse(f"{now}{told}")
    assert machine.ssh is not None
    page_work = {} if machine.page_seen is None else {"first page": machine.page_work}
    return Boot(
        kernel=asked - clocks.now - machine.power_on,
        ssh=machine.ssh,
        page=machine.page_seen,
        clocks=clocks,
        work=page_work | {"SSH": machine.ssh_work},
    )


def two_boots(
    disk: Path, name: str, page: str | None, user: str | None, explained: dict[str, str]
) -> dict[str, Boot]:
    """Boot a disk twice, on an overlay of its own; put into `explained` what the time went to."""
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


def means(boots: list[Boot]) -> dict[str, dict[str, float]]:
    """Return each figure of several boots: the means, which add up as the boots' own do."""
    parts: dict[str, Callable[[Boot], Mapping[str, float]]] = {
        "phases": Boot.phases,
        "beside": Boot.beside,
        "after": Boot.after,
        "work": lambda boot: boot.work,
    }
    return {
        part: {name: statistics.mean(of(boot)[name] for boot in boots) for name in of(boots[0])}
        for part, of in parts.items()
    }


def table(columns: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return the lines of the table: a column for each boot, a row for each figure of any."""
    heads = {
        "phases": "one after the other",
        "after": "from power-on to",
        "beside": "beside them",
        "work": "this host's processors, to",
    }
    # The last column has the most phases: the others' own come behind them.
    names = {
        part: list(
            dict.fromkeys(name for each in reversed(list(columns.values())) for name in each[part])
        )
        for part in heads
    }
    width = 2 + max(len(name) for part in names.values() for name in part)
    lines = [f"{'seconds':{width}}" + "".join(f"{column:>14}" for column in columns)]
    for part, head in heads.items():
        lines.append(head)
        for name in names[part]:
            figures = [each[part].get(name) for each in columns.values()]
            cells = "".join(f"{'' if each is None else f'{each:.1f}':>14}" for each in figures)
            lines.append(f"  {name:{width - 2}}{cells}")
    return lines


def ratios(columns: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    """Return the image's time over the base disk's, from power-on to what both end in: SSH."""
    return {
        which: columns[f"image {which}"]["after"]["SSH"] / columns[f"base {which}"]["after"]["SSH"]
        for which in (FIRST, LATER)
    }


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--base", type=Path, required=True, help="the bare base disk")
    parser.add_argument("--json", type=Path, required=True, help="file for the figures")
    parser.add_argument("--page", default="/", help="the site's page (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of both disks (%(default)s)")
    options = parser.parse_args()
    # The base disk's own name does not tell its system.
    user = "ubuntu" if "ubuntu" in options.image.name else None
    disks = {"base": (options.base, None), "image": (options.image, options.page)}
    boots: dict[str, list[Boot]] = {
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
    found = ratios(columns)
    print(*table(columns), sep="\n")
    for which, ratio in found.items():
        print(f"power-on to SSH, image over base, {which} boot: {ratio:.2f}")
    print(*stages.remarks, sep="\n", end="")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(
        json.dumps(
            {
                "image": options.image.name,
                "rounds": options.rounds,
                "seconds": columns,
                "ssh_image_over_base": found,
                "systemd-analyze": explained,
                "remarks": stages.remarks,
            },
            indent=2,
        )
        + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
