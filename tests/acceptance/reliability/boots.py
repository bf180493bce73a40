"""The faults that need a kernel, a boot loader or a power switch, on an emulated machine.

    boots.py IMAGE [--only TEXT] [--table NAME]

The first rows run under load like those of rows.py. The others end the machine, and say whether it
came back as it was.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from acceptance.first_boot.instances import identity_of, settle_here
from acceptance.reliability import prove
from acceptance.reliability.prove import Outcome
from acceptance.reliability.rows import ANY, Row, ask
from acceptance.stages import bring_up
from machine import Machine, MachineError

UNDER_LOAD = (
    Row("out of memory in one process", ask("bomb"), hold=30, failed=ANY, lost=ANY,
        note="the view runs on two processes, which is all that this machine has"),
    Row("out of memory in one process, of four", ask("bomb"), hold=30, failed=2, lost=ANY,
        settings="PROCESSES=4"),
    Row("the clock steps a day ahead", "date -s '+1 day'", "date -s '-1 day'", hold=10),
    Row("the clock steps a day back", "date -s '-1 day'", "date -s '+1 day'", hold=10),
    Row("a read-only root", "echo u >/proc/sysrq-trigger", "mount -o remount,rw /", hold=10,
        failed=ANY, note="what needs no writing is served"),
    Row(
        "the network cut for 20 s",
        "systemd-run sh -c 'card=$(ip -o route get 10.0.2.2 | grep -o \"dev [^ ]*\" | cut -c5-);"
        " ip link set $card down; sleep 20; ip link set $card up'; sleep 25",
        hold=25, failed=ANY, lost=ANY,
    ),
)  # fmt: skip
REBOOTS = 20
CUTS = (1, 3, 5, 7, 9, 11, 13, 15, 18, 21, 24, 28, 33, 40)  # seconds after power-on


def main() -> int:
    """Run the rows; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--only", default="", help="part of the names of the rows to run")
    parser.add_argument("--table", default="", help="the name of the table in docs/reliability.md")
    options = parser.parse_args()
    with Machine(options.image, name="reliability", hostname="proof", cpus=2) as machine:
        bring_up(machine, machine.start)
        settle_here(machine)
        machine.wait_until_succeeds("laurel status")
        rows = [row for row in UNDER_LOAD if options.only in row.name]
        outcomes = prove.run_all(machine, rows, []) if rows else []
        for name, act in (
            (f"{REBOOTS} reboots", _reboot_often),
            (f"{len(CUTS)} power cuts, {CUTS[0]} to {CUTS[-1]} s after power-on", _cut_often),
        ):
            if options.only in name:
                print(name, flush=True)
                outcomes.append(_come_back(machine, name, act))
                print(f"    {outcomes[-1]}", flush=True)
    return prove.end(outcomes, options.table)


def _come_back(machine: Machine, name: str, act: Callable[[Machine], None]) -> Outcome:
    before = identity_of(machine)
    began = time.monotonic()
    try:
        act(machine)
        bring_up(machine, machine.start)
        began = time.monotonic()
        settle_here(machine)
        machine.wait_until_succeeds("laurel status")
        problem = "" if identity_of(machine) == before else "the identity has changed"
    except MachineError as error:
        problem = str(error).splitlines()[0]
    took = None if problem else round(time.monotonic() - began, 1)
    return Outcome(name, took, 0, 0, 0, 0, 0, problem, "came back as it was")


def _reboot_often(machine: Machine) -> None:
    for _ in range(REBOOTS):
        bring_up(machine, machine.reboot)
        settle_here(machine)
    machine.shutdown()


def _cut_often(machine: Machine) -> None:
    machine.crash()
    for seconds in CUTS:
        machine.start()
        time.sleep(seconds)
        machine.crash()


if __name__ == "__main__":
    sys.exit(main())
