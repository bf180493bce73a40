"""SSH: keys, one lasting connection, and commands over it."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from machine.error import MachineTimeoutError, UnreachableError

# Seconds. sshd of an emulated machine that is busy booting takes a few for each of these; what is
# tried again after a failure must not wait long on a forwarded port behind which nobody listens.
CONNECT_SECONDS = 10
CHANNEL_SECONDS = 20
KEEPALIVE_SECONDS = 15
POLL_SECONDS = 0.02
# A service that a command leaves behind may hold its output open for ever.
LINGER_SECONDS = 1.0

# Every failed attempt would be a traceback in the log, and waiting for a boot is many of them.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Output(NamedTuple):
    """How a command ended: its exit status, and the bytes it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


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

    Threads may share it; a command of one that misses its deadline takes the others with it.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._opening = Lock()
        self._client: paramiko.SSHClient | None = None

    def close(self) -> None:
        """Hang up; the next command opens a new connection."""
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
        login = self._login
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

    def _channel(self, deadline: float) -> paramiko.Channel:
        """Open a channel, on a new connection if the kept one turns out to be dead."""
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
                        f"{self._login}: {error or type(error).__name__}"
                    ) from error
                kept = False

    def run(self, command: str, *, timeout: float, stdin: bytes = b"") -> Output:
        """Run a command in the login shell, as the user who logs in.

        Args:
            command: text for the shell.
            timeout: seconds from now to its end.
            stdin: what it reads.

        Raises:
            UnreachableError: no connection, or lost before the command had ended.
            MachineTimeoutError: it still ran at the deadline; the connection is closed.
        """
        deadline = time.monotonic() + timeout
        channel = self._channel(deadline)
        stdout, stderr = bytearray(), bytearray()
        try:
            channel.settimeout(max(0.1, deadline - time.monotonic()))
            channel.exec_command(command)
            if stdin:
                channel.sendall(stdin)
            channel.shutdown_write()
            ended: float | None = None
            while True:
                busy = False
                while channel.recv_ready():
                    stdout += channel.recv(65536)
                    busy = True
                while channel.recv_stderr_ready():
                    stderr += channel.recv_stderr(65536)
                    busy = True
                now = time.monotonic()
                if channel.exit_status_ready():
                    ended = ended or now
                    if not busy and (channel.closed or now - ended > LINGER_SECONDS):
                        break
                if now >= deadline:
                    raise TimeoutError
                if not busy:
                    time.sleep(POLL_SECONDS)
        except TimeoutError as error:
            self.close()
            raise MachineTimeoutError(
                f"{self._login}: still runs after {timeout:g} s: {command}"
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.close()
            raise UnreachableError(f"{self._login}: lost during: {command}: {error}") from error
        finally:
            channel.close()
        if channel.exit_status < 0:  # paramiko's word for a channel that closed without one
            raise UnreachableError(f"{self._login}: lost during: {command}")
        return Output(channel.exit_status, bytes(stdout), bytes(stderr))
