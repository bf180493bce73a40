"""One process of the site, and what looks after all of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from laurel import servers
from laurel.servers import Server
from laurel.settings import Settings


@dataclass(frozen=True)
class Group:
    """Processes of one server, as many as settings.processes: `asgi`, and `wsgi` for plain HTTP."""

    name: str
    server: Server

    def socket(self, number: int) -> str:
        """The socket of its process `number`, counted from 0."""
        return self.server.socket(number)


@dataclass(frozen=True)
class Process:
    """A process: the name that its manager knows it by, its pid (0 if it does not run), its state,
    seconds since it started, what kept it from starting, and the socket that it alone serves."""

    group: str
    number: int
    name: str
    pid: int
    state: str
    uptime: int
    problem: str
    socket: str


class Manager(Protocol):
    """What starts the processes and keeps them running."""

    # Its own service, and the files that start every process anew where they change.
    SERVICE: str
    FILES: Sequence[Path]
    # Its program, which holds the shared socket.
    HOLDER: str
    # The file of the processes beside the site's own.
    PROCFILE: Path

    def processes(self, settings: Settings) -> list[Process]:
        """The site's processes in order. Raises LaurelError if they can't be asked for."""

    def pids(self) -> list[int]:
        """The processes that run, of the site and beside it."""

    def others(self, settings: Settings) -> list[tuple[str, str]]:
        """The processes beside the site's own, of the Procfile: name and state."""

    def restart_others(self, settings: Settings) -> None:
        """Stop and start each of them: they hold the code that they started with."""

    def fails_to_start(self, process: Process) -> bool:
        """Whether `process` ended as it started, and is tried again in a while."""

    def restart(self, process: Process) -> None:
        """Stop `process` and start it again; it may not answer yet when this returns."""

    def must_restart(self, settings: Settings, changed: Collection[Path]) -> bool:
        """Whether all must restart at once: they are not what `changed` files, or those that a
        reload before this one has left, say."""

    def update(self, settings: Settings) -> None:
        """Take up changed files; a changed group restarts as a whole."""

    def update_others(self, settings: Settings) -> None:
        """Take up a changed file of the processes beside the site's own, and let those be."""

    def log(self, name: str) -> str:
        """Where to read what the process or program `name` says."""


def groups(settings: Settings) -> list[Group]:
    """The groups that serve the site: the second one where plain HTTP has a server of its own."""
    found = [Group("asgi", servers.read(settings.get("ASGI_SERVER")))]
    if settings.get("HTTP_SERVER") != "same":
        found.append(Group("wsgi", servers.read(settings.get("HTTP_SERVER"))))
    return found


def sockets(settings: Settings) -> list[str]:
    """The socket of each process that serves the site."""
    return [
        group.socket(number) for group in groups(settings) for number in range(settings.processes)
    ]
