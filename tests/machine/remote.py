"""A host that already runs: a cloud's instance, a Vagrant machine, a computer in the room."""

from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from machine.error import MachineError
from machine.host import Host
from machine.ssh import Login
from machine.tunnel import open_tunnel


class RemoteHost(Host):
    """A host that is reached by SSH and HTTP only.

    Args:
        target: `user@address` or `user@address:port`; an IPv6 address stands in brackets.
        key: file with a private key; None tries the SSH agent's and the usual files.
        url: URL of the site from here; None means port 80 of the address.
        through_ssh: reach the site by a tunnel, which survives a reboot of the host.
        known_hosts: refuse a host whose key contradicts ~/.ssh/known_hosts.

    Raises:
        MachineError: `target` has another form.
    """

    def __init__(
        self,
        target: str,
        *,
        key: Path | None = None,
        url: str | None = None,
        through_ssh: bool = False,
        known_hosts: bool = True,
    ) -> None:
        super().__init__(target)
        self._open = ExitStack()
        parts = urlsplit(f"ssh://{target}")
        try:
            port = parts.port or 22
        except ValueError:
            port = 0
        if not parts.username or not parts.hostname or not port:
            raise MachineError(f"{target!r} is not of the form user@address[:port]")
        self._login = Login(
            address=parts.hostname,
            port=port,
            user=parts.username,
            key=key,
            known_hosts=known_hosts,
        )
        address = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        if through_ssh:
            # A lambda, because a reboot replaces the connection.
            tunnel = open_tunnel(lambda: self._ssh().transport(), 80)
            url = f"http://127.0.0.1:{self._open.enter_context(tunnel)}"
        self._url = (url or f"http://{address}").rstrip("/")

    @property
    def login(self) -> Login:
        """Address, user and key of the SSH login."""
        return self._login

    @property
    def url(self) -> str:
        """URL of the site from here, without a slash at the end."""
        return self._url

    def _check(self) -> None:
        """Never raise: only a request shows whether the host still runs."""

    def _evidence(self) -> str:
        return ""  # its console cannot be read

    def close(self) -> None:
        """Disconnect; the host goes on."""
        self._open.close()
        self._hang_up()

    def __enter__(self) -> "RemoteHost":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Raise MachineError: only a hypervisor can start a host."""
        raise MachineError(f"{self.name}: start needs the hypervisor; SSH is all there is")

    def crash(self) -> None:
        """Raise MachineError: only a hypervisor can cut the power."""
        raise MachineError(f"{self.name}: crash needs the hypervisor; SSH is all there is")
