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

# Seconds. sshd of an emulated machine that is busy booting takes a few for each of these. A longer
# limit would delay the next attempt where a forwarded port leads to no server yet.
CONNECT_SECONDS = 10
CHANNEL_SECONDS = 20
KEEPALIVE_SECONDS = 15

# paramiko logs a traceback for each failed attempt, and waiting for a boot takes many.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True)
class Login:
    """Address, user and key of an SSH login.

    Attributes:
        address: host name or IP address.
        user: logs in; commands run as root by sudo.
        key: file with a private key; None tries the SSH agent's and the usual files.
        known_hosts: refuse a host whose key contradicts ~/.ssh/known_hosts, which is never written.
    """

    address: str
    port: int
    user: str
    key: Path | None
    known_hosts: bool

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"

    def command_line(self) -> list[str]:
        """Return the ssh command for a login by hand."""
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
    """Write a new ed25519 private key to `path`, and return its line for authorized_keys."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


class Connection:
    """A connection that is opened when needed, kept, and opened again after a loss.

    Threads may share it.
    """

    def __init__(self, login: Login) -> None:
        self.login = login
        self._opening = Lock()
        self._client: paramiko.SSHClient | None = None

    def close(self) -> None:
        """Disconnect; the next channel opens a new connection."""
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
        # This one accepts an unknown key, and writes it nowhere.
        client.set_missing_host_key_policy(paramiko.MissingHostKeyPolicy())
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
            deadline: when to give up, by time.monotonic().

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
