"""What the unit tests of the clouds share: an instance, and one who asks for its metadata."""

import dataclasses

import requests
from machine.cloud import Instance
from machine.metadata import MetadataServer

MAC = "52:54:00:00:00:01"


def instance(identity: str) -> Instance:
    """An instance whose user gave it a name and user-data."""
    return Instance(
        identity=identity,
        address="172.31.0.15",
        mac=MAC,
        public_key="ssh-ed25519 AAAA laurel",
        hostname="web-1",
        user_data="#cloud-config\n{}\n",
    )


def bare_instance(identity: str) -> Instance:
    """An instance whose user gave it no name and no user-data."""
    return dataclasses.replace(instance(identity), hostname=None, user_data=None)


class Client:
    """Asks a server, and follows it nowhere else."""

    def __init__(self, server: MetadataServer) -> None:
        self.server = server

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> requests.Response:
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
