"""`make bench-servers`: requests, websockets and memory of each server setting, beside the default.

One machine whose environment has every server takes one setting after the other by `laurel reload`,
the default first and last: an image boots for it, or it is a host that runs, and is again as it was
found at the end. What can be compared is the ratio of two rows of one run; the two rows of the
default tell how far to trust one.

Four loads, of this host, through nginx:

- `view`: a view that does nothing, which this adds to the chat's on the machine: what the server
  itself costs. The chat has none; /healthz is answered by a middleware that is a coroutine.
- `page`: the chat's page, with a query and a template: what a visitor gets.
- `echo`: a websocket's frame that the chat's consumer answers at once: what the server costs.
- `message`: what a guest says, until the guest hears it. Each message is on the disk before it goes
  to the channel layer, so it tells more of the database and the layer than of the server.
"""

import argparse
import json
import os
import re
import shlex
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from acceptance import stages
from acceptance.first_boot.instances import STATUS_SECONDS, settle_here
from acceptance.settings import SITE_ENV, settings_of
from acceptance.stages import FOUND_SECONDS, bring_up
from bench.load import NAME, LoadError, ask_page, check_host, echo, message, talk
from machine import Host, KernelPanicError, Machine, MachineError, RemoteHost

CPUS = 2
MEMORY_MIB = 2048
SECONDS = 20.0
# A process has 300 s to answer, see `laurel.rolling`; a row has four at most.
RELOAD_SECONDS = 1300.0
VIEW, PAGE = "/bench/", "/"

URLS = "/srv/site/current/django/chat/urls.py"
WRITTEN = (SITE_ENV, URLS)
AS_FOUND = ".as-found"  # the end of the name of a copy beside each
LOCK = "/run/laurel/reload.lock"  # a reload that was left alone still holds it
ADDED = f"""

from django.http import HttpResponse

urlpatterns.append(
    path("{VIEW.strip("/")}/", lambda request: HttpResponse("ok\\n", content_type="text/plain"))
)
"""
# The history is a part of the page, and of what a guest is sent: each row begins without its own.
FORGET = f"""
from channels.layers import get_channel_layer
from chat.models import Message
Message.objects.filter(name={NAME!r}).delete()
print(type(get_channel_layer()).__name__)
"""
LAYERS = {
    "pubsub": "RedisPubSubChannelLayer",
    "core": "RedisChannelLayer",
    "memory": "InMemoryChannelLayer",
}
# The proportional share of each process of the site, in KiB, a line for each. One may have ended.
MEMORY = r"""
for process in $(pgrep -u site); do
    sed -n 's/^Pss: *\([0-9]*\) kB$/\1/p' "/proc/$process/smaps_rollup" 2>/dev/null
done
true
"""
MIB = 1024  # KiB


@dataclass(frozen=True)
class Row:
    """A setting of the servers: how the table calls it, and its values."""

    name: str
    asgi: str = "daphne"
    http: str = "same"
    layer: str = "pubsub"
    processes: str = "auto"

    @property
    def settings(self) -> dict[str, str]:
        """The lines of site.env that it is made of, by their names."""
        return {
            "ASGI_SERVER": self.asgi,
            "HTTP_SERVER": self.http,
            "CHANNEL_LAYER": self.layer,
            "PROCESSES": self.processes,
        }

    @property
    def servers(self) -> set[str]:
        """The servers that must listen then, and no other."""
        return {self.asgi, self.http} - {"same"}


DEFAULT = Row("daphne")
OTHERS = (
    Row("uvicorn", asgi="uvicorn"),
    Row("hypercorn", asgi="hypercorn"),
    Row("granian", asgi="granian"),
    Row("daphne+gunicorn", http="gunicorn"),
    Row("uvicorn+gunicorn", asgi="uvicorn", http="gunicorn"),
    Row("core", layer="core"),
    # It reaches one process alone.
    Row("memory", layer="memory", processes="1"),
)


@dataclass(frozen=True)
class Figures:
    """What a row was seen to do: each a second, the p99 in milliseconds; `memory` in MiB."""

    view: float
    view_p99: float
    page: float
    page_p99: float
    echo: float
    message: float
    memory: float
    processes: float


@dataclass(frozen=True)
class Outcome:
    """A row that was measured, or why it could not be."""

    row: Row
    figures: Figures | None
    problem: str = ""


def with_settings(text: str, settings: Mapping[str, str]) -> str:
    """Return the text of a site.env with these settings in place of its own of those names.

    What it exports is the project's, and stays, as do comments and everything else.
    """
    kept = [line for line in text.splitlines() if line.split("=", 1)[0].strip() not in settings]
    return "".join(f"{line}\n" for line in [*kept, *(f"{k}={v}" for k, v in settings.items())])


@contextmanager
def as_found(host: Host) -> Iterator[None]:
    """At the end, however it comes, have the host serve what it served: its settings, the chat's
    views, and its history, of which the chat drops what is older than our guests' last words.

    Raises:
        MachineError: it has another project than ours, is still not as a run before this one found
            it, or could not be put back.
    """
    check_chat(host)
    copies = {file: shlex.quote(file + AS_FOUND) for file in WRITTEN}
    for file, copy in copies.items():
        if host.execute(f"test -e {copy}").status == 0:
            raise MachineError(
                f"{host.name}: {copy} is there: a run before this one has not put it back;"
                f" mv it to {file}, and run `laurel reload`"
            )
    history = host.succeed("laurel manage dumpdata chat.message")
    try:
        for file, copy in copies.items():
            host.succeed(f"cp -p {file} {copy}")
        yield
    finally:
        print(f"{host.name} is put back as it was found", flush=True)
        try:
            for file, copy in copies.items():
                host.succeed(f"test ! -e {copy} || {{ cat {copy} >{file} && rm {copy}; }}")
            host.succeed(f"flock {LOCK} true && laurel reload", timeout=RELOAD_SECONDS)
            host.succeed(f"laurel manage shell -c {shlex.quote(FORGET)}")
            host.succeed("laurel manage loaddata --format=json -", stdin=history)
        except MachineError as error:
            raise MachineError(
                f"{host.name} is not as it was found: {error}\nWhere {' or '.join(copies.values())}"
                " is there, that is the file as it was"
            ) from error


def write_settings(machine: Host, text: str) -> None:
    """Write the machine's site.env; its owner and its mode stay."""
    machine.succeed(f"cat >{SITE_ENV}", stdin=text)


def check_chat(machine: Host) -> None:
    """Raise MachineError if the machine has another project than ours."""
    if machine.execute(f"test -f {URLS}").status != 0:
        raise MachineError(f"{machine.name}: no {URLS}: it does not serve our own chat")


def listening(told: str) -> set[str]:
    """The servers that have a socket of their own, of what `ss` lists."""
    return set(re.findall(r"/run/daphne/([a-z]+)\d+\.sock\b", told))


def check_row(machine: Host, row: Row) -> None:
    """Empty the chat's history, and see that the machine is what `row` says.

    A setting that can't be had is told, and the machine goes on with the one it was baked with.

    Raises:
        MachineError: it is something else.
    """
    machine.succeed("laurel status", timeout=STATUS_SECONDS)
    found = listening(machine.succeed("ss -Hlxn"))
    if found != row.servers:
        raise MachineError(
            f"{machine.name}: {' and '.join(sorted(found)) or 'no server'} and not"
            f" {' and '.join(sorted(row.servers))} listen in /run/daphne"
        )
    layer = machine.succeed(f"laurel manage shell -c {shlex.quote(FORGET)}").split()[-1]
    if layer != LAYERS[row.layer]:
        raise MachineError(f"{machine.name}: the channel layer is {layer}, not {LAYERS[row.layer]}")


def memory_of(told: str) -> tuple[float, int]:
    """Return the MiB of all processes, and how many they are, from what MEMORY prints.

    Raises:
        LoadError: there are none.
    """
    shares = [int(line) for line in told.split()]
    if not shares:
        raise LoadError("no process of the site runs")
    return sum(shares) / MIB, len(shares)


def measure(
    machine: Host, row: Row, text: str, health: str, seconds: float, say: Callable[[str], None]
) -> Figures:
    """Have the machine take the settings of `row`, and load it; `text` is its own site.env.

    Raises:
        LoadError: the site answered an error, or not at all.
        MachineError: the machine does not take them, or can't be reached.
    """
    write_settings(machine, with_settings(text, row.settings))
    machine.succeed("laurel reload", timeout=RELOAD_SECONDS)
    machine.wait_for_http(health)
    check_row(machine, row)
    say("takes the settings")
    view = ask_page(machine.url, VIEW, seconds)
    say(f"view: {view.per_second:.1f}/s, p99 {view.p99_ms:.0f} ms")
    page = ask_page(machine.url, PAGE, seconds)
    say(f"page: {page.per_second:.1f}/s, p99 {page.p99_ms:.0f} ms")
    rounds = {}
    for name, round_of in (("echo", echo), ("message", message)):
        rounds[name] = talk(machine.url, round_of, seconds)
        say(f"{name}: {rounds[name].per_second:.1f}/s")
        if rounds[name].held_back:
            stages.remarks.append(
                f"{row.name}: the guests needed {rounds[name].own_work:.0%} of a processor of this"
                f" host: {name} is at least what the table says"
            )
    memory, processes = memory_of(machine.succeed(MEMORY))
    say(f"memory: {memory:.0f} MiB in {processes} processes")
    return Figures(
        view=view.per_second,
        view_p99=view.p99_ms,
        page=page.per_second,
        page_p99=page.p99_ms,
        echo=rounds["echo"].per_second,
        message=rounds["message"].per_second,
        memory=memory,
        processes=processes,
    )


def run(machine: Host, rows: Iterable[Row], seconds: float) -> list[Outcome]:
    """Measure one row after the other on a machine that is up; one that fails ends no other.

    Raises:
        MachineError: it has another project than ours, or is no more.
    """
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"      {time.monotonic() - started:4.0f} s  {text}", flush=True)

    rows = list(rows)
    health = settings_of(machine)["HEALTH_PATH"]
    check_chat(machine)
    machine.succeed(f"cat >>{URLS}", stdin=ADDED)
    text = machine.succeed(f"cat {SITE_ENV}")
    outcomes = []
    for number, row in enumerate(rows, 1):
        elapsed = time.monotonic() - started
        print(f"[{number}/{len(rows)} {elapsed:4.0f} s] {row.name}", flush=True)
        try:
            figures = measure(machine, row, text, health, seconds, say)
        except (LoadError, MachineError) as error:
            if isinstance(error, KernelPanicError):
                raise
            if isinstance(machine, Machine) and not machine.running:
                raise
            say(f"failed: {error}")
            outcomes.append(Outcome(row, None, str(error)))
        else:
            outcomes.append(Outcome(row, figures))
    return outcomes


@contextmanager
def up(options: argparse.Namespace) -> Iterator[Host]:
    """The machine that the options name, once it serves, for as long as it is measured.

    Raises:
        MachineError: an image does not boot, or a host can't be reached, or is not put back.
    """
    if options.host:
        with RemoteHost(options.host, key=options.key, url=options.url, known_hosts=False) as host:
            host.wait_for_ssh(FOUND_SECONDS)
            settle_here(host)
            with as_found(host):
                yield host
        return
    with Machine(options.image, name="bench-servers", cpus=CPUS, memory_mib=MEMORY_MIB) as machine:
        print(f"bench-servers: {options.image} boots ({machine.accelerator})", flush=True)
        bring_up(machine, machine.start)
        settle_here(machine)
        yield machine


def default_of(outcomes: Iterable[Outcome]) -> Figures | None:
    """The mean of the default's rows; None where one of them failed."""
    rows = [outcome.figures for outcome in outcomes if outcome.row == DEFAULT]
    if None in rows:
        return None
    columns = zip(*(asdict(row).values() for row in rows if row), strict=True)
    return Figures(*(statistics.mean(column) for column in columns))


def ratios(figures: Figures, default: Figures) -> dict[str, float]:
    """Each figure over the default's."""
    of_default = asdict(default)
    return {name: value / of_default[name] for name, value in asdict(figures).items()}


# Each column: its head, its figure, and whether its ratio is shown.
COLUMNS = (
    ("view/s", "view", True),
    ("p99 ms", "view_p99", False),
    ("page/s", "page", True),
    ("p99 ms", "page_p99", False),
    ("echo/s", "echo", True),
    ("message/s", "message", True),
    ("MiB", "memory", True),
    ("processes", "processes", False),
)


def table(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the lines of the table, in Markdown: a row for each setting, ratios in brackets.

    A ratio is to the mean of the default's two rows, and left out where one of those failed.
    """
    outcomes = list(outcomes)
    default = default_of(outcomes)
    cells = [["", *(head for head, _, _ in COLUMNS)]]
    for outcome in outcomes:
        cells.append([outcome.row.name, *_cells(outcome.figures, default)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        for row in cells
    ]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [lines[0], "| " + " | ".join(rule) + " |", *lines[1:]]


def _cells(figures: Figures | None, default: Figures | None) -> list[str]:
    if figures is None:
        return ["failed", *([""] * (len(COLUMNS) - 1))]
    values = asdict(figures)
    over = ratios(figures, default) if default else {}
    return [
        _short(values[name]) + (f" ({over[name]:.2f})" if shown and over else "")
        for _, name, shown in COLUMNS
    ]


def _short(value: float) -> str:
    """A figure with no more digits than it is worth."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def chosen(names: str) -> list[Row]:
    """The rows of that name, separated by commas, between the default's two; all for "".

    Raises:
        ValueError: there is no such row.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = [row.name for row in OTHERS]
    if unknown := set(wanted) - {*known, DEFAULT.name}:
        raise ValueError(
            f"no row {', '.join(sorted(unknown))}; there are {', '.join(known)},"
            f" and {DEFAULT.name} first and last"
        )
    return [DEFAULT, *(row for row in OTHERS if not wanted or row.name in wanted), DEFAULT]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the command line's options; `rows` are Rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    measured = parser.add_mutually_exclusive_group(required=True)
    measured.add_argument("--image", type=Path, help="whose environment has every server")
    measured.add_argument("--host", help="a host that runs, as user@address[:port]")
    parser.add_argument("--key", type=Path, help="private key for --host")
    parser.add_argument("--url", help="the site on --host, if not http://address")
    parser.add_argument("--json", type=Path, required=True, help="file for the figures")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="of each load (%(default).0f)"
    )
    parser.add_argument("--rows", default="", help="some of the rows, by name: uvicorn,core (all)")
    options = parser.parse_args(arguments)
    try:
        options.rows = chosen(options.rows)
    except ValueError as error:
        parser.error(str(error))
    if options.host and not os.environ.get("DISRUPT"):
        parser.error(
            f"{options.host} gets other settings and another view, and its processes are begun anew"
            " with each row: only with DISRUPT=1"
        )
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        check_host()
        with up(options) as machine:
            cpus = int(machine.succeed("nproc"))
            outcomes = run(machine, options.rows, options.seconds)
    except (LoadError, MachineError) as error:
        print(f"bench-servers: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(*table(outcomes), sep="\n")
    for remark in stages.remarks:
        print(remark)
    default = default_of(outcomes)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(
        json.dumps(
            {
                "image": options.image and options.image.name,
                "host": options.host,
                "accelerator": machine.accelerator if isinstance(machine, Machine) else None,
                "cpus": cpus,
                "seconds": options.seconds,
                "rows": [
                    {
                        "name": outcome.row.name,
                        "settings": outcome.row.settings,
                        "figures": outcome.figures and asdict(outcome.figures),
                        "ratios": outcome.figures and default and ratios(outcome.figures, default),
                        "problem": outcome.problem,
                    }
                    for outcome in outcomes
                ],
                "remarks": stages.remarks,
            },
            indent=2,
        )
        + "\n"
    )
    return 1 if any(outcome.problem for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
