"""`make bench LOAD=1`: requests, websockets and memory of each server setting, and the default.

One machine with every server takes one setting after the other by `laurel reload`, the default
first and last: an image that boots for it, or a running host, which is put back as it was. Only the
ratios of two rows of one run can be compared; the default's two rows show how reliable they are.

Four loads come from this host through nginx:

- `view`: a view that does nothing, which is added to the chat: the cost of the server itself.
  (/healthz is no such view: an async middleware answers it.)
- `page`: the chat's page, with a query and a template: what a visitor gets.
- `echo`: a websocket frame that the chat's consumer answers at once: the cost of the server.
- `message`: a guest's message, until the guest hears it. It is stored before it goes to the channel
  layer, so it measures the database and the layer more than the server.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance import stages
from acceptance.first_boot.instances import STATUS_SECONDS, settle_here
from acceptance.settings import SITE_ENV, settings_of
from acceptance.stages import FOUND_SECONDS, bring_up
from bench.load import BUSY, NAME, LoadError, check_host, echo, load_page, message, talk
from machine import Host, KernelPanicError, Machine, MachineError, RemoteHost

CPUS = 2
MEMORY_MIB = 2048
SECONDS = 20.0
# A process has 300 s to answer, see `laurel.rolling`; a row has four at most.
RELOAD_SECONDS = 1300.0
VIEW, PAGE = "/bench/", "/"

URLS = "/srv/site/current/django/chat/urls.py"
WRITTEN = (SITE_ENV, URLS)
AS_FOUND = ".as-found"  # suffix of the copy beside each
LOCK = "/run/laurel/reload.lock"  # a reload that lost its connection still holds it
ADDED = f"""

from django.http import HttpResponse

urlpatterns.append(
    path("{VIEW.strip("/")}/", lambda request: HttpResponse("ok\\n", content_type="text/plain"))
)
"""
# The history is part of the page and is sent to each guest: each row begins without our messages.
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
# A line for each process of the site: its proportional share of memory, in KiB. One may have ended.
MEMORY = r"""
for process in $(pgrep -u site); do
    sed -n 's/^Pss: *\([0-9]*\) kB$/\1/p' "/proc/$process/smaps_rollup" 2>/dev/null
done
true
"""
MIB = 1024  # KiB

# The settings of each row of the table, where they differ from the default's.
DEFAULT = "daphne"
DEFAULTS = {
    "ASGI_SERVER": "daphne",
    "HTTP_SERVER": "same",
    "CHANNEL_LAYER": "pubsub",
    "PROCESSES": "auto",
}
ROWS = {
    DEFAULT: {},
    "uvicorn": {"ASGI_SERVER": "uvicorn"},
    "hypercorn": {"ASGI_SERVER": "hypercorn"},
    "granian": {"ASGI_SERVER": "granian"},
    "daphne+gunicorn": {"HTTP_SERVER": "gunicorn"},
    "uvicorn+gunicorn": {"ASGI_SERVER": "uvicorn", "HTTP_SERVER": "gunicorn"},
    "core": {"CHANNEL_LAYER": "core"},
    "memory": {"CHANNEL_LAYER": "memory", "PROCESSES": "1"},  # it reaches one process only
}


# Each column of the table, by its figure: its head, and whether its ratio is shown.
COLUMNS = {
    "view": ("view/s", True),
    "view_p99": ("p99 ms", False),
    "page": ("page/s", True),
    "page_p99": ("p99 ms", False),
    "echo": ("echo/s", True),
    "message": ("message/s", True),
    "memory": ("MiB", True),
    "processes": ("processes", False),
}
Figures = dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """The figures of a row by COLUMNS; {} and the problem if it could not be measured."""

    row: str
    figures: Figures
    problem: str = ""


def with_settings(text: str, settings: Mapping[str, str]) -> str:
    """The text of a site.env with these settings instead of its own of the same names.

    Comments and `export` lines, which are the project's, stay.
    """
    kept = [line for line in text.splitlines() if line.split("=", 1)[0].strip() not in settings]
    return "".join(f"{line}\n" for line in [*kept, *(f"{k}={v}" for k, v in settings.items())])


@contextmanager
def as_found(host: Host) -> Iterator[None]:
    """Put the host back at the end, also after an error: settings, the chat's views and history.

    The chat deletes old messages when our guests add new ones.

    Raises:
        MachineError: it has another project, an earlier run did not put it back, or it could not
            be put back.
    """
    check_chat(host)
    copies = {file: shlex.quote(file + AS_FOUND) for file in WRITTEN}
    for file, copy in copies.items():
        if host.execute(f"test -e {copy}").status == 0:
            raise MachineError(
                f"{host.name}: {copy} exists: an earlier run did not put it back;"
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
                f"{host.name} is not as it was found: {error}\nIf {' or '.join(copies.values())}"
                " exists, it is the original file"
            ) from error


def check_chat(machine: Host) -> None:
    """Raise MachineError if the machine does not serve our own chat."""
    if machine.execute(f"test -f {URLS}").status != 0:
        raise MachineError(f"{machine.name}: no {URLS}: it does not serve our own chat")


def check_row(machine: Host, settings: Mapping[str, str]) -> None:
    """Delete our guests' messages, and raise MachineError unless the settings are in effect.

    A machine that can't take a setting falls back to the baked one.
    """
    machine.succeed("laurel status", timeout=STATUS_SECONDS)
    wanted = {settings["ASGI_SERVER"], settings["HTTP_SERVER"]} - {"same"}
    found = set(re.findall(r"/run/daphne/([a-z]+)\d+\.sock\b", machine.succeed("ss -Hlxn")))
    if found != wanted:
        raise MachineError(
            f"{machine.name}: {' and '.join(sorted(found)) or 'no server'} instead of"
            f" {' and '.join(sorted(wanted))} listen in /run/daphne"
        )
    layer = machine.succeed(f"laurel manage shell -c {shlex.quote(FORGET)}").split()[-1]
    if layer != LAYERS[settings["CHANNEL_LAYER"]]:
        raise MachineError(f"{machine.name}: the channel layer is {layer}")


def measure(
    machine: Host, row: str, text: str, health: str, seconds: float, say: Callable[[str], None]
) -> Figures:
    """Measure a row on a machine whose site.env was `text`.

    Raises:
        LoadError: a response was an error.
        MachineError: the settings are not in effect, or the machine fails.
    """
    # All the load comes from one client.
    unlimited = dict.fromkeys(("CLIENT_CONNECTIONS", "CLIENT_REQUESTS", "CLIENT_WEBSOCKETS"), "0")
    settings = {**DEFAULTS, **ROWS[row], **unlimited}
    # Owner and mode of the file stay.
    machine.succeed(f"cat >{SITE_ENV}", stdin=with_settings(text, settings))
    machine.succeed("laurel reload", timeout=RELOAD_SECONDS)
    machine.wait_for_http(health)
    check_row(machine, settings)
    say("has the settings")
    figures: Figures = {}
    for name, path in (("view", VIEW), ("page", PAGE)):
        took = load_page(machine.url, path, seconds)
        say(f"{name}: {took.per_second:.1f}/s, p99 {took.p99_ms:.0f} ms")
        figures |= {name: took.per_second, f"{name}_p99": took.p99_ms}
    for name, round_of in (("echo", echo), ("message", message)):
        rounds = talk(machine.url, round_of, seconds)
        say(f"{name}: {rounds.per_second:.1f}/s")
        figures[name] = rounds.per_second
        if rounds.own_work > BUSY:
            stages.remarks.append(
                f"{row}: the guests needed {rounds.own_work:.0%} of a processor of this host:"
                f" {name} is at least what the table says"
            )
    shares = [int(line) for line in machine.succeed(MEMORY).split()]
    if not shares:
        raise LoadError("no process of the site runs")
    say(f"memory: {sum(shares) / MIB:.0f} MiB in {len(shares)} processes")
    return {**figures, "memory": sum(shares) / MIB, "processes": len(shares)}


def run(machine: Host, rows: list[str], seconds: float) -> list[Outcome]:
    """Measure one row after the other; a row that fails does not end the others.

    Raises MachineError if the machine does not serve our chat, or has ended.
    """
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"      {time.monotonic() - started:4.0f} s  {text}", flush=True)

    health = settings_of(machine)["HEALTH_PATH"]
    check_chat(machine)
    machine.succeed(f"cat >>{URLS}", stdin=ADDED)
    text = machine.succeed(f"cat {SITE_ENV}")
    outcomes = []
    for number, row in enumerate(rows, 1):
        elapsed = time.monotonic() - started
        print(f"[{number}/{len(rows)} {elapsed:4.0f} s] {row}", flush=True)
        try:
            outcomes.append(Outcome(row, measure(machine, row, text, health, seconds, say)))
        except KernelPanicError:
            raise
        except (LoadError, MachineError) as error:
            if isinstance(machine, Machine) and not machine.running:
                raise
            say(f"failed: {error}")
            outcomes.append(Outcome(row, {}, str(error)))
    return outcomes


@contextmanager
def up(options: argparse.Namespace) -> Iterator[Host]:
    """The machine that the options name, serving; a host is put back at the end.

    Raises MachineError if it does not boot, can't be reached, or is not put back.
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


def ratios_to_default(outcomes: list[Outcome]) -> list[Figures]:
    """Each row's figures over the mean of the default's rows; {} if one of those failed."""
    defaults = [outcome.figures for outcome in outcomes if outcome.row == DEFAULT]
    if not all(defaults):
        return [{} for _ in outcomes]
    default = {name: statistics.mean(row[name] for row in defaults) for name in COLUMNS}
    return [
        {name: value / default[name] for name, value in outcome.figures.items()}
        for outcome in outcomes
    ]


def table(outcomes: list[Outcome]) -> list[str]:
    """The lines of the table, in Markdown: a row for each setting, ratios in brackets."""
    cells = [["", *(head for head, _ in COLUMNS.values())]]
    for outcome, ratios in zip(outcomes, ratios_to_default(outcomes), strict=True):
        row = [
            _short(value) + (f" ({ratios[name]:.2f})" if COLUMNS[name][1] and ratios else "")
            for name, value in outcome.figures.items()
        ]
        cells.append([outcome.row, *(row or ["failed", *[""] * (len(COLUMNS) - 1)])])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        for row in cells
    ]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [lines[0], "| " + " | ".join(rule) + " |", *lines[1:]]


def _short(value: float) -> str:
    """Three significant digits."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line; `rows` are names, with the default first and last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    measured = parser.add_mutually_exclusive_group(required=True)
    measured.add_argument("--image", type=Path, help="an image with every server")
    measured.add_argument("--host", help="a running host, as user@address[:port]")
    parser.add_argument("--key", type=Path, help="private key for --host")
    parser.add_argument("--url", help="the site on --host, if not http://address")
    parser.add_argument("--json", type=Path, required=True, help="file for the figures")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="of each load (%(default).0f)"
    )
    parser.add_argument("--rows", default="", help="some of the rows, by name: uvicorn,core (all)")
    options = parser.parse_args(arguments)
    wanted = {name.strip() for name in options.rows.split(",") if name.strip()}
    if unknown := wanted - ROWS.keys():
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    others = [row for row in ROWS if row != DEFAULT and (not wanted or row in wanted)]
    options.rows = [DEFAULT, *others, DEFAULT]
    if options.host and not os.environ.get("DISRUPT"):
        parser.error(
            f"{options.host} gets other settings and another view, and its processes restart"
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
    print(*table(outcomes), *stages.remarks, sep="\n")
    report = {
        "image": options.image and options.image.name,
        "host": options.host,
        "accelerator": machine.accelerator if isinstance(machine, Machine) else None,
        "cpus": cpus,
        "seconds": options.seconds,
        "rows": [
            {
                "name": outcome.row,
                "settings": {**DEFAULTS, **ROWS[outcome.row]},
                "figures": outcome.figures or None,
                "ratios": ratios or None,
                "problem": outcome.problem,
            }
            for outcome, ratios in zip(outcomes, ratios_to_default(outcomes), strict=True)
        ],
        "remarks": stages.remarks,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if any(outcome.problem for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
