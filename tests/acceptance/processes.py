"""The site's processes, as the machine shows them."""

import time
import xmlrpc.client
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from acceptance import inside
from acceptance.settings import settings_of
from machine import Host, MachineError

SUPERVISORD = "/run/supervisor.sock"
SERVING = ("asgi", "wsgi")  # the groups that serve the site
SETTLED_SECONDS = 60.0
LOG_SECONDS = 60.0

Guest = TypeVar("Guest")


@dataclass(frozen=True)
class Process:
    """One process.

    `group` is asgi, wsgi (plain HTTP, where that has a server of its own) or procfile; `name` is
    its group and its `number`, from 0, or its name in the Procfile. `state` is supervisor's word
    for it, `pid` is 0 if it does not run, `socket` is its own.
    """

    group: str
    number: int
    name: str
    state: str
    pid: int
    socket: str


def processes(machine: Host, group: str = "asgi") -> list[Process]:
    """The processes of a group in order, none if supervisord does not answer."""
    return [process for process in _all(machine) if process.group == group]


def every_process(machine: Host) -> list[Process]:
    """Those that serve the site: websockets', then plain HTTP's where those are others."""
    return [process for process in _all(machine) if process.group in SERVING]


def http_group(machine: Host) -> str:
    """The group that plain HTTP goes to."""
    return "asgi" if settings_of(machine)["HTTP_SERVER"] == "same" else "wsgi"


def _all(machine: Host) -> list[Process]:
    settings = settings_of(machine)
    servers = {"asgi": settings["ASGI_SERVER"], "wsgi": settings["HTTP_SERVER"]}
    under = {"supervisor": _under_supervisor, "systemd": _under_systemd}
    found = []
    for group, name, state, pid in under[settings["PROCESS_MANAGER"]](machine):
        number = name.removeprefix(group) if group in SERVING else ""
        socket = f"/run/daphne/{servers[group]}{number}.sock" if number else ""
        found.append(Process(group, int(number or 0), name, state, pid, socket))
    return sorted(found, key=lambda process: (process.group, process.number, process.name))


def _under_supervisor(machine: Host) -> Iterator[tuple[str, str, str, int]]:
    """Group, name, state and pid of each. supervisord is asked itself: `supervisorctl` takes three
    times as long to start."""
    question = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo")
    try:
        answer = inside.ask(machine, "/RPC2", socket=SUPERVISORD, method="POST", body=question)
    except MachineError:
        return
    (told,), _ = xmlrpc.client.loads(answer.text)
    for info in cast("list[dict[str, Any]]", told):
        group = info["group"] if info["group"] in SERVING else "procfile"
        yield group, info["name"], info["statename"], info["pid"]


def _under_systemd(machine: Host) -> Iterator[tuple[str, str, str, int]]:
    """Group, name, state and pid of each."""
    units = " ".join(f"'{group}@*.service'" for group in (*SERVING, "procfile"))
    shown = machine.succeed(f"systemctl show -p Id -p MainPID -p ActiveState {units}")
    for block in shown.strip().split("\n\n"):
        told = dict(line.split("=", 1) for line in block.splitlines())
        if told:
            group, _, instance = told["Id"].removesuffix(".service").partition("@")
            name = f"{group}{instance}" if group in SERVING else instance
            state = "RUNNING" if told["ActiveState"] == "active" else told["ActiveState"].upper()
            yield group, name, state, int(told["MainPID"])


def family(machine: Host, pid: int) -> list[int]:
    """A process and those that it started, and so on: some servers answer from a process below."""
    children: dict[int, list[int]] = {}
    for line in machine.succeed("ps -eo pid=,ppid=").splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def strays(machine: Host) -> list[str]:
    """The site's processes that nobody looks after: what had started them is gone."""
    known = {process.pid for process in _all(machine)}
    told = [line.split(None, 2) for line in machine.succeed(PS_OF_SITE).splitlines()]
    return [
        f"{pid} {command}"
        for pid, parent, command in told
        if parent == "1" and int(pid) not in known
    ]


PS_OF_SITE = "ps -U site -o pid=,ppid=,args= || test $? = 1"  # 1: there is none


def wait_until_logged(machine: Host, group: str, text: str) -> None:
    """Wait until a process of `group` has written `text`. Raises MachineTimeoutError."""
    machine.wait_until_succeeds(_search(machine, group, text), timeout=LOG_SECONDS)


def logged(machine: Host, group: str, text: str) -> bool:
    """Whether a process of `group` has written `text`."""
    return machine.execute(_search(machine, group, text)).status == 0


def _search(machine: Host, group: str, text: str) -> str:
    if settings_of(machine)["PROCESS_MANAGER"] == "systemd":
        log = f"journalctl -b --no-pager -o cat -u '{group}@*.service'"
    else:
        log = f"cat /var/log/site/{group}[0-9]*.log"
    return f"{log} | grep -F '{text}'"


def connections(machine: Host, group: str = "asgi") -> dict[int, int]:
    """How many connections each process of a group holds on its own socket, by its number.

    The least of three looks: `laurel watch` asks each process for a moment every two seconds.
    """
    owners = {process.socket: process.number for process in processes(machine, group)}
    shown = machine.succeed("for look in 1 2 3; do cat /proc/net/unix; echo; sleep 0.3; done")
    looks = [
        # proc(5): the state is the sixth field, SS_CONNECTED is 03, and the path is the eighth.
        Counter(
            owners.get(fields[7])
            for line in look.splitlines()
            if len(fields := line.split()) == 8 and fields[5] == "03"
        )
        for look in shown.strip().split("\n\n")
    ]
    return {number: min(look[number] for look in looks) for number in owners.values()}


# nginx's workers that take connections: one that ends says so in its title.
NEW_WORKERS = """
serving() { pgrep -f '^nginx: worker process *$'; }
former=$(serving)
systemctl reload nginx || exit
while serving | grep -qxF "$former"; do sleep 0.1; done
"""


def websockets(machine: Host) -> dict[int, int]:
    """How many websockets each process holds, by its number. Nobody may be asking for a page.

    No log tells for every server, and `connections` alone do not: nginx turns a connection that it
    has kept idle into a websocket's. So it is given new workers, which keep none yet, and those
    that end close what is idle. What remains are websockets; and what `connections` counts more of
    from then on are those that were opened since, until somebody asks for a page.
    """
    machine.succeed(NEW_WORKERS)
    deadline = time.monotonic() + SETTLED_SECONDS
    held = connections(machine)
    # Those that were left a moment ago may not be closed on this side.
    while (now := connections(machine)) != held:
        assert time.monotonic() < deadline, f"connections come and go: {held}, then {now}"
        held = now
    return held


@contextmanager
def guests_of_every_process(
    machine: Host, join: Callable[[], AbstractContextManager[Guest]]
) -> Iterator[list[Guest]]:
    """Two guests for each process, each on a websocket that `join` opens.

    Raises AssertionError if a process has none of them.
    """
    before = websockets(machine)
    with ExitStack() as room:
        guests = [room.enter_context(join()) for _ in range(2 * len(before))]
        held = connections(machine)
        joined = {number: held[number] - count for number, count in before.items()}
        assert joined, "there is no process"
        assert all(count > 0 for count in joined.values()), f"a process has no guest: {joined}"
        yield guests


def wait_until_healthy(machine: Host, gone: Collection[int] = (), timeout: float = 300.0) -> None:
    """Wait until `laurel status` finds nothing wrong and no process has a pid of `gone`.

    Raises AssertionError after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        result = machine.execute("laurel status")
        found = _all(machine)
        if result.status == 0 and all(one.pid and one.pid not in gone for one in found):
            return
        assert time.monotonic() < deadline, result
        time.sleep(1)


def wait_until_no_strays(machine: Host, timeout: float = 60.0) -> None:
    """Wait until no process of the site is left that nobody looks after.

    Raises AssertionError after `timeout` seconds: a worker may take some to see that it is alone.
    """
    deadline = time.monotonic() + timeout
    while found := strays(machine):
        assert time.monotonic() < deadline, found
        time.sleep(1)
