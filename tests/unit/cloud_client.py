"""Asks a cloud's metadata server as a program on the instance does."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from machine.cloud import Cloud, Instance
from machine.metadata import MetadataServer

MAC = "52:54:00:00:00:01"
PUBLIC_KEY = "ssh-ed25519 AAAA laurel"


def instance(
    identity: str, *, hostname: str | None = "web-1", user_data: str | None = "#cloud-config\n{}\n"
) -> Instance:
    """An instance, as its user ordered it."""
    return Instance(
        identity=identity,
        address="172.31.0.15",
        mac=MAC,
        public_key=PUBLIC_KEY,
        hostname=hostname,
        user_data=user_data,
    )


def bare_instance(identity: str) -> Instance:
    """An instance whose user gave it no name and no user-data."""
    return instance(identity, hostname=None, user_data=None)


class Client:
    """Asks a server; redirections are answers too."""

    def __init__(self, server: MetadataServer) -> None:
        self.server = server

    def ask(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method,
                f"http://127.0.0.1:{self.server.port}{path}",
                headers={name.replace("_", "-"): value for name, value in headers.items()},
                data=body,
                timeout=10,
                allow_redirects=False,
            )

    def status(self, path: str, method: str = "GET", **headers: str) -> int:
        return self.ask(method, path, **headers).status_code

    def text(self, path: str, **headers: str) -> str:
        answer = self.ask("GET", path, **headers)
        assert answer.status_code == 200, path
        return answer.text


@contextmanager
def serving(cloud: Cloud, machine: Instance) -> Iterator[Client]:
    """Have that cloud's server for it."""
    server = MetadataServer(cloud.service(machine))
    yield Client(server)
    server.close()


def table(cloud: Cloud, machine: Instance, number: int) -> dict[str, str]:
    """The fields of an SMBIOS table."""
    tables = [dict(part.split("=") for part in text.split(",")) for text in cloud.smbios(machine)]
    (found,) = (fields for fields in tables if fields["type"] == str(number))
    return found
