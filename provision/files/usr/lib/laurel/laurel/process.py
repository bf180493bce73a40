"""The processes that serve the site."""

from dataclasses import dataclass

from laurel import servers
from laurel.servers import Server
from laurel.settings import Settings


@dataclass(frozen=True)
class Group:
    """The processes of one server: `asgi`, or `wsgi` where plain HTTP has its own server."""

    name: str
    server: Server
    size: int

    @property
    def sockets(self) -> list[str]:
        """The socket of each process."""
        return [self.server.socket(number) for number in range(self.size)]


@dataclass(frozen=True)
class Process:
    """One process, as its manager reports it.

    `name` is the manager's name for it, `pid` is 0 if it does not run, `state` is one of
    supervisor's words, `uptime` is in seconds, `problem` says why it did not start, and `socket`
    is the process's own.
    """

    group: str
    number: int
    name: str
    pid: int
    state: str
    uptime: int
    problem: str
    socket: str


def groups(settings: Settings) -> list[Group]:
    """The groups that serve the site; the second one serves plain HTTP, if HTTP_SERVER says so."""
    chosen = {"asgi": settings.get("ASGI_SERVER"), "wsgi": settings.get("HTTP_SERVER")}
    return [
        Group(name, servers.read(server), settings.processes)
        for name, server in chosen.items()
        if server != "same"
    ]


def sockets(settings: Settings) -> list[str]:
    """The socket of each process that serves the site."""
    return [socket for group in groups(settings) for socket in group.sockets]
