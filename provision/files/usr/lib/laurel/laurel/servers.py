"""The application servers that Laurel can run: each has a file in ../servers/."""

import configparser
import re
from dataclasses import dataclass
from pathlib import Path

from laurel.errors import LaurelError
from laurel.paths import CURRENT, SOCKETS

FOLDER = Path(__file__).resolve().parent.parent / "servers"


@dataclass(frozen=True)
class Server:
    """What a server needs and how it is started.

    `serves` is the kind of application, asgi or wsgi. `packages` are requirements for the project's
    virtualenv. `command` has the fields {socket}, the process's own, {descriptor}, the file
    descriptor of the shared socket, and {message}, the largest websocket message in bytes.
    `shares` says whether the server takes the
    shared socket. `since` is the first version that takes the command.
    """

    name: str
    serves: str
    packages: list[str]
    command: str
    shares: bool
    since: str

    def socket(self, number: object) -> str:
        """The socket of process `number`, counted from 0."""
        return f"{SOCKETS}/{self.name}{number}.sock"

    def command_line(self, number: object, descriptor: int, message: int) -> str:
        """The command of process `number`, with the shared socket as a file descriptor."""
        command = self.command.format(
            socket=self.socket(number), descriptor=descriptor, message=message
        )
        return f"{CURRENT}/venv/bin/{command}"

    def installed(self) -> bool:
        """Whether the live release's virtualenv has everything the server needs, new enough."""
        return has(*self.packages) and _numbers(versions(CURRENT / "venv")[self.name]) >= _numbers(
            self.since
        )


def names(serves: str) -> list[str]:
    """The servers for a kind of application, asgi or wsgi."""
    known = [read(path.stem) for path in sorted(FOLDER.glob("*.conf"))]
    return [server.name for server in known if server.serves == serves]


def read(name: str) -> Server:
    """The server `name`. Raises LaurelError if it has no file."""
    path = FOLDER / f"{name}.conf"
    parser = configparser.ConfigParser(interpolation=None)
    if not parser.read(path):
        known = ", ".join(sorted(other.stem for other in FOLDER.glob("*.conf")))
        raise LaurelError(f"no server {name}: {path} is missing; known: {known}")
    found = parser["server"]
    return Server(
        name=name,
        serves=found["serves"],
        packages=found["packages"].split(),
        command=found["command"],
        shares=found["shared_socket"] == "yes",
        since=found.get("since", "0"),
    )


def has(*packages: str) -> bool:
    """Whether the live release's virtualenv has each of these requirements, in any version."""
    found = versions(CURRENT / "venv")
    return all(re.split("[<>=]", package)[0] in found for package in packages)


def versions(environment: Path) -> dict[str, str]:
    """The version of each package in a virtualenv, by its normalized name."""
    found = environment.glob("lib/python*/site-packages/*.dist-info")
    pairs = (path.name.removesuffix(".dist-info").split("-", 1) for path in found)
    return {re.sub("[-_.]+", "-", name).lower(): version for name, version in pairs}


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
