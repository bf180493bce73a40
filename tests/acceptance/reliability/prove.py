"""Runs the faults under load and writes their table into docs/reliability.md.

    prove.py --host user@address --key FILE [--only TEXT] [--short] [--set NAME=VALUE ...]

tests/bench/native.sh adds --host and --key. The table has, for each fault: the seconds until all is
well again, and the requests, websockets and acknowledged messages that were lost. The exit code is
1 if a row lost more than it may.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from acceptance.reliability import attacks, postgresql
from acceptance.reliability.load import Load, Result
from acceptance.reliability.rows import ROWS, URLS, VIEWS, Row
from machine import MachineError, RemoteHost
from machine.host import Host

TOP = Path(__file__).resolve().parent.parent.parent.parent
TABLE = TOP / "docs/reliability.md"
RECOVERY = 150.0  # seconds until all is well again
LATEST = 60.0  # seconds until a message has reached every guest of a slow machine
QUIET = 3.0  # seconds of load after that
SITE_ENV = "/etc/laurel/site.env"


@dataclass
class Outcome:
    """What a fault has cost."""

    name: str
    recovery: float | None  # seconds; None: not within RECOVERY
    requests: int
    failed: int
    lost: int  # websockets
    messages: int  # acknowledged ones that some guest never got
    acknowledged: int
    problem: str
    note: str

    def __str__(self) -> str:
        return (
            f"well after {self.recovery} s, lost: {self.failed} of {self.requests} requests,"
            f" {self.lost} websockets, {self.messages} of {self.acknowledged} messages"
            + (f"  <- {self.problem}" if self.problem else "")
        )


def main() -> int:
    """Run the rows; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--only", default="", help="part of the names of the rows to run")
    parser.add_argument("--short", action="store_true", help="the rows that depend on the server")
    parser.add_argument("--set", nargs="*", default=[], help="lines of site.env for all rows")
    parser.add_argument("--table", default="", help="the name of the table in docs/reliability.md")
    options = parser.parse_args()
    with RemoteHost(options.host, key=options.key, known_hosts=False) as machine:
        machine.wait_until_succeeds("laurel status", timeout=120)
        manager = (
            machine.succeed("grep ^PROCESS_MANAGER /etc/laurel/build.env").strip().split("=")[1]
        )
        rows = [
            row
            for row in ROWS
            if options.only in row.name
            and row.manager in ("", manager)
            and (row.short or not options.short)
        ]
        outcomes = run_all(machine, rows, options.set)
    return end(outcomes, options.table)


def end(outcomes: list[Outcome], table: str) -> int:
    """Write the table, if it has a name; print the sum, and return the exit code."""
    if table:
        _write(table, outcomes)
    bad = [one for one in outcomes if one.problem]
    print(f"{len(outcomes) - len(bad)} faults within their limits, {len(bad)} not")
    return 1 if bad else 0


def run_all(machine: Host, rows: list[Row], lines: list[str]) -> list[Outcome]:
    """Run `rows` with `lines` added to site.env."""
    database = any(row.settings == postgresql.URL for row in rows)
    if database:
        postgresql.create()
    machine.succeed(f"cat >>{URLS}", stdin=VIEWS)
    _settings(machine, lines)
    outcomes = []
    try:
        for number, row in enumerate(rows, 1):
            print(f"[{number}/{len(rows)}] {row.name}", flush=True)
            if row.settings:
                _settings(machine, [*lines, row.settings])
            outcome = _run(machine, row)
            print(f"    {outcome}", flush=True)
            outcomes.append(outcome)
            if row.settings:
                _settings(machine, lines)
    finally:
        if database:
            postgresql.remove()
    return outcomes


def _settings(machine: Host, lines: list[str]) -> None:
    """Apply site.env with `lines` added to what the machine made itself."""
    machine.succeed(f"cp -n {SITE_ENV} /root/site.env; cp /root/site.env {SITE_ENV}")
    machine.succeed(f"cat >>{SITE_ENV}", stdin="".join(f"{line}\n" for line in lines))
    machine.succeed("laurel reload", timeout=600)


def _act(act: str | Callable[[Host, Load], None], machine: Host, load: Load) -> str:
    """Plant or mend; return what went wrong."""
    try:
        if isinstance(act, str):
            machine.succeed(act, timeout=300)
        else:
            act(machine, load)
    except Exception as error:  # whatever it is, the other rows still run
        return str(error) or type(error).__name__
    return ""


def _run(machine: Host, row: Row) -> Outcome:
    with Load(machine.url) as load:
        _wait(machine, load)
        time.sleep(QUIET)
        began = time.monotonic()
        told = len(load.result.acknowledged)
        asked = load.result.requests
        problem = _act(row.plant, machine, load)
        start = began
        if row.mend or not isinstance(row.plant, str):
            time.sleep(row.hold)
            start = time.monotonic()
            attacks.close_all()
            problem = (row.mend and _act(row.mend, machine, load)) or problem
        recovered = _wait(machine, load)
        took = round(time.monotonic() - start, 1) if recovered else None
        time.sleep(max(QUIET, row.hold - (time.monotonic() - began)))
        seen = load.result.since(began)
        messages = load.result.acknowledged[told:]
        requests = load.result.requests - asked
        missed = _missed(load, messages)
    return Outcome(
        name=row.name,
        recovery=took,
        requests=requests,
        failed=len(seen.failures),
        lost=len(seen.websockets_lost),
        messages=missed,
        acknowledged=len(messages),
        problem=problem or _judge(row, seen, took, missed),
        note=row.note or (row.settings.split("=")[0] and row.settings),
    )


def _judge(row: Row, seen: Result, took: float | None, messages: int) -> str:
    if took is None:
        return f"not well again after {RECOVERY:.0f} s"
    if messages:
        return f"{messages} acknowledged messages are lost"
    if len(seen.failures) > row.failed:
        return f"{len(seen.failures)} requests failed: {seen.failures[0][1]}"
    if len(seen.websockets_lost) > row.lost:
        return f"{len(seen.websockets_lost)} websockets lost: {seen.websockets_lost[0][1]}"
    return ""


def _wait(machine: Host, load: Load) -> bool:
    """Wait until the machine says that all is well, and all guests are back."""
    deadline = time.monotonic() + RECOVERY
    while time.monotonic() < deadline:
        with suppress(MachineError):
            if load.result.open >= load.guests and machine.execute("laurel status").status == 0:
                return True
        time.sleep(0.25)
    with suppress(MachineError):
        print(f"    {load.result.open} of {load.guests} guests; {machine.execute('laurel status')}")
    return False


def _missed(load: Load, messages: list[str]) -> int:
    """How many of `messages` some guest has not got; the last ones may still be on their way."""
    deadline = time.monotonic() + LATEST
    while (missed := load.result.missed(messages)) and time.monotonic() < deadline:
        time.sleep(0.25)
    return missed


def _write(name: str, outcomes: list[Outcome]) -> None:
    """Write the table `name` in docs/reliability.md; rows that did not run now stay as before."""
    report = TOP / f"build/reports/faults-{name}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(report.read_text()) if report.exists() else []
    now = {one.name: one for one in outcomes}
    kept = [now.pop(row["name"]) if row["name"] in now else Outcome(**row) for row in before]
    outcomes = [*kept, *now.values()]
    report.write_text(json.dumps([asdict(one) for one in outcomes], indent=2))
    lines = [
        "| fault | well again after | requests failed | websockets lost | messages lost | |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {one.name} | {'never' if one.recovery is None else f'{one.recovery:.0f} s'}"
            f" | {one.failed} of {one.requests} | {one.lost} | {one.messages} of {one.acknowledged}"
            f" | {one.problem or one.note} |"
            for one in outcomes
        ),
    ]
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = TABLE.read_text()
    if begin not in text:
        raise SystemExit(f"{TABLE} has no line {begin}")
    table = "\n".join([begin, *lines, end])
    TABLE.write_text(re.sub(f"{begin}.*?{end}", lambda _: table, text, flags=re.DOTALL))


if __name__ == "__main__":
    sys.exit(main())
