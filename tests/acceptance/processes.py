"""The site's processes, as the machine reports them."""

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

    `group` is asgi, wsgi (plain HTTP, with HTTP_SERVER) or procfile. `name` is the group and the
    `number`, from 0, or the name in the Procfile. `state` is supervisor's word, `pid` is 0 if it
    does not run, `socket` is its own.
    """

    group: str
    number: int
    name: str
    state: str
    pid: int
    socket: str


def processes(machine: Host, group: str = "asgi") -> list[Process]:
    """The processes of a group in order; none if supervisord does not answer."""
    return [process for process in _all(machine) if process.group == group]


def every_process(machine: Host) -> list[Process]:
    """The processes that serve the site, of both groups."""
    return [process for process in _all(machine) if process.group in SERVING]


def http_group(machine: Host) -> str:
    """The group that serves plain HTTP."""
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
    """Group, name, state and pid of each; `supervisorctl` would be three times slower."""
    question = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo")
    try:
        answer = inside.ask(machine, "/RPC2", socket=SUPERVISORD, method="POST", body=question)
    except MachineError:
        return
    (infos,), _ = xmlrpc.client.loads(answer.text)
    for info in cast("list[dict[str, Any]]", infos):
        group = info["group"] if info["group"] in SERVING else "procfile"
        yield group, info["name"], info["statename"], info["pid"]


def _under_systemd(machine: Host) -> Iterator[tuple[str, str, str, int]]:
    """Group, name, state and pid of each."""
    units = " ".join(f"'{group}@*.service'" for group in (*SERVING, "procfile"))
    shown = machine.succeed(f"systemctl show -p Id -p MainPID -p ActiveState {units}")
    for block in shown.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines())
        if unit:
            group, _, instance = unit["Id"].removesuffix(".service").partition("@")
            name = f"{group}{instance}" if group in SERVING else instance
            state = "RUNNING" if unit["ActiveState"] == "active" else unit["ActiveState"].upper()
            yield group, name, state, int(unit["MainPID"])


def descendants(machine: Host, pid: int) -> list[int]:
    """A process and all that descend from it: in some servers a child process answers."""
    children: dict[int, list[int]] = {}
    for line in machine.succeed("ps -eo pid=,ppid=").splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def orphans(machine: Host) -> list[str]:
    """The processes of the user site whose parent is gone and that no manager knows."""
    known = {process.pid for process in _all(machine)}
    # ps exits with 1 if there is none.
    shown = machine.succeed("ps -U site -o pid=,ppid=,args= || test $? = 1")
    return [
        f"{pid} {command}"
        for pid, parent, command in (line.split(None, 2) for line in shown.splitlines())
        if parent == "1" and int(pid) not in known
    ]


def wait_until_logged(machine: Host, group: str, text: str) -> None:
    """Wait until a process of `group` has logged `text`. Raises MachineTimeoutError."""
    machine.wait_until_succeeds(_search(machine, group, text), timeout=LOG_SECONDS)


def logged(machine: Host, group: str, text: str) -> bool:
    """Whether a process of `group` has logged `text`."""
    return machine.execute(_search(machine, group, text)).status == 0


def _search(machine: Host, group: str, text: str) -> str:
    if settings_of(machine)["PROCESS_MANAGER"] == "systemd":
        log = f"journalctl -b --no-pager -o cat -u '{group}@*.service'"
    else:
        log = f"cat /var/log/site/{group}[0-9]*.log"
    return f"{log} | grep -F '{text}'"


def connections(machine: Host, group: str = "asgi") -> dict[int, int]:
    """Number of connections on each process's own socket, by the process's number.

    The least of three looks: `laurel watch` probes each process every two seconds.
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


# Waits until all old nginx workers are shutting down, as their titles then say.
NEW_WORKERS = """
serving() { pgrep -f '^nginx: worker process *$'; }
former=$(serving)
systemctl reload nginx || exit
while serving | grep -qxF "$former"; do sleep 0.1; done
"""


def websockets(machine: Host) -> dict[int, int]:
    """Number of websockets of each process, by its number, while no one requests pages.

    Not every server logs them, and `connections` alone counts nginx's idle keepalive connections,
    which nginx also reuses for websockets. New workers have none, and old ones close theirs. So
    what remains are websockets, and so is what `connections` counts in addition afterwards.
    """
    machine.succeed(NEW_WORKERS)
    deadline = time.monotonic() + SETTLED_SECONDS
    held = connections(machine)
    # Guests who left a moment ago may still be connected on this side.
    while (now := connections(machine)) != held:
        assert time.monotonic() < deadline, f"connections come and go: {held}, then {now}"
        held = now
    return held


@contextmanager
def guests_of_every_process(
    machine: Host, join: Callable[[], AbstractContextManager[Guest]]
) -> Iterator[list[Guest]]:
    """Open two websockets for each process with `join`.

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


def wait_until_no_orphans(machine: Host, timeout: float = 60.0) -> None:
    """Wait until there are no orphans: a worker needs time to notice that its parent is gone.

    Raises AssertionError after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while found := orphans(machine):
        assert time.monotonic() < deadline, found
        time.sleep(1)
