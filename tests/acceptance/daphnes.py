"""The site's processes, as the machine shows them."""

import re
import time
import xmlrpc.client
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from acceptance import inside
from machine import Host, MachineError

SUPERVISORD = "/run/supervisor.sock"

Guest = TypeVar("Guest")


@dataclass(frozen=True)
class Daphne:
    """One process: its number from 0, its state as supervisor has it, its pid, its socket."""

    number: int
    state: str
    pid: int
    socket: str


def daphnes(machine: Host) -> list[Daphne]:
    """The site's processes in order, none if supervisord does not answer.

    A process that does not run has pid 0. supervisord is asked itself: `supervisorctl` takes
    three times as long to start.
    """
    question = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo")
    try:
        answer = inside.ask(machine, "/RPC2", socket=SUPERVISORD, method="POST", body=question)
    except MachineError:
        return []
    (told,), _ = xmlrpc.client.loads(answer.text)
    found = [
        Daphne(
            number=int(info["name"].removeprefix("asgi")),
            state=info["statename"],
            pid=info["pid"],
            socket=f"/run/daphne/daphne{info['name'].removeprefix('asgi')}.sock",
        )
        for info in cast("list[dict[str, Any]]", told)
        if info["group"] == "asgi"
    ]
    return sorted(found, key=lambda daphne: daphne.number)


def connections(machine: Host) -> dict[int, int]:
    """How many connections each process holds on its own socket, by its number."""
    shown = machine.succeed("ss -Hx state established")
    held = {daphne.number: 0 for daphne in daphnes(machine)}
    for number in re.findall(r"/run/daphne/daphne(\d+)\.sock", shown):
        held[int(number)] += 1
    return held


def websockets_taken(machine: Host) -> dict[int, int]:
    """How many websockets each process has taken since its log began, by its number.

    `connections` would not tell: nginx turns an idle connection into a websocket's.
    """
    shown = machine.succeed("grep -c '\"WSCONNECT ' /var/log/site/asgi*.log; true")
    return {
        int(number): int(count)
        for number, count in re.findall(r"asgi(\d+)\.log:(\d+)$", shown, re.MULTILINE)
    }


@contextmanager
def guests_of_every_process(
    machine: Host, join: Callable[[], AbstractContextManager[Guest]]
) -> Iterator[list[Guest]]:
    """Two guests for each process, each on a websocket that `join` opens.

    Raises AssertionError if a process has none of them.
    """
    before = websockets_taken(machine)
    with ExitStack() as room:
        guests = [room.enter_context(join()) for _ in range(2 * len(before))]
        taken = websockets_taken(machine)
        joined = {number: taken[number] - count for number, count in before.items()}
        assert all(joined.values()), f"a process has no guest: {joined}"
        yield guests


def wait_until_healthy(machine: Host, gone: Collection[int] = (), timeout: float = 300.0) -> None:
    """Wait until `laurel status` finds nothing wrong and no process has a pid of `gone`.

    Raises AssertionError after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        result = machine.execute("laurel status")
        found = daphnes(machine)
        if result.status == 0 and all(daphne.pid and daphne.pid not in gone for daphne in found):
            return
        assert time.monotonic() < deadline, result
        time.sleep(1)
