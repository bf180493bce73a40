"""SSH: keys, and one lasting connection."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from machine.error import UnreachableError

# Seconds. sshd of an emulated machine that is busy booting takes a few for each of these; what is
# tried again after a failure must not wait long on a forwarded port behind which nobody listens.
CONNECT_SECONDS = 10
CHANNEL_SECONDS = 20
KEEPALIVE_SECONDS = 15

# Every failed attempt would be a traceback in the log, and waiting for a boot is many of them.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True)
class Login:
    """Where and as whom to log in.

    Attributes:
        address: host name or IP address.
        port: TCP port.
        user: who logs in; commands run as root by sudo.
        key: file with a private key; None tries the agent's and the usual files.
        known_hosts: refuse a host whose key contradicts ~/.ssh/known_hosts. Nothing is written
            there in either case.
    """

    address: str
    port: int
    user: str
    key: Path | None
    known_hosts: bool

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"

    def command_line(self) -> list[str]:
        """Return the ssh command with which a person logs in."""
        key = [] if self.key is None else ["-i", str(self.key), "-o", "IdentitiesOnly=yes"]
        unknown = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        return [
            "ssh",
            *key,
            *([] if self.known_hosts else [*unknown, "-o", "LogLevel=ERROR"]),
            "-p", str(self.port),
            f"{self.user}@{self.address}",
        ]  # fmt: skip


def make_key(path: Path) -> str:
    """Write a new ed25519 private key, and return its line for authorized_keys."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


class _AcceptUnknown(paramiko.MissingHostKeyPolicy):
    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        """Accept the key and write it nowhere."""


class Connection:
    """A connection that is opened when needed, kept, and opened again once it is lost.

    Threads may share it.
    """

    def __init__(self, login: Login) -> None:
        self.login = login
        self._opening = Lock()
        self._client: paramiko.SSHClient | None = None

    def close(self) -> None:
        """Hang up; the next channel opens a new connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def transport(self, timeout: float = CONNECT_SECONDS) -> paramiko.Transport:
        """Return the open connection.

        Args:
            timeout: seconds for each of TCP, the server's banner and authentication.

        Raises:
            UnreachableError: the host does not answer, or refuses the key.
        """
        with self._opening:
            transport = self._client.get_transport() if self._client else None
            if transport is None or not transport.is_active():
                transport = self._open(min(timeout, CONNECT_SECONDS))
            return transport

    def _open(self, timeout: float) -> paramiko.Transport:
        self.close()
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(_AcceptUnknown())
        login = self.login
        try:
            if login.known_hosts:
                client.load_system_host_keys()
            client.connect(
                login.address,
                port=login.port,
                username=login.user,
                key_filename=None if login.key is None else str(login.key),
                allow_agent=login.key is None,
                look_for_keys=login.key is None,
                timeout=timeout,
                banner_timeout=timeout,
                auth_timeout=timeout,
            )
            transport = client.get_transport()
            if transport is None:
                raise EOFError("hung up")
        except (paramiko.SSHException, OSError, EOFError) as error:
            client.close()
            raise UnreachableError(f"{login}: {error or type(error).__name__}") from error
        transport.set_keepalive(KEEPALIVE_SECONDS)
        self._client = client
        return transport

    def channel(self, deadline: float) -> paramiko.Channel:
        """Open a channel, on a new connection if the kept one turns out to be dead.

        Args:
            deadline: when to give up, as time.monotonic() tells the time.

        Raises:
            UnreachableError: the host does not answer, or refuses the key.
        """
        kept = self._client is not None
        while True:
            remaining = max(0.1, deadline - time.monotonic())
            try:
                transport = self.transport(remaining)
                return transport.open_session(timeout=min(remaining, CHANNEL_SECONDS))
            except (paramiko.SSHException, OSError, EOFError) as error:
                self.close()
                if not kept or time.monotonic() >= deadline:
                    raise UnreachableError(
                        f"{self.login}: {error or type(error).__name__}"
                    ) from error
                kept = False
