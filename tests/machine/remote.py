"""A host that already runs: a cloud's instance, a Vagrant machine, a computer in the room."""

from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from machine.error import MachineError
from machine.host import Host
from machine.ssh import Login


class RemoteHost(Host):
    """A host reached by nothing but SSH and HTTP.

    Args:
        target: `user@address` or `user@address:port`; an IPv6 address stands in brackets.
        key: file with a private key; None tries the agent's and the usual files.
        url: the site as this host reaches it; None means port 80 of the address.
        through_ssh: reach the site by a tunnel, which outlives a reboot of the host.
        known_hosts: refuse a host whose key contradicts ~/.ssh/known_hosts.

    Raises:
        MachineError: `target` is not of that form.
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
            url = f"http://127.0.0.1:{self._open.enter_context(self.tunnel(80))}"
        self._url = (url or f"http://{address}").rstrip("/")

    @property
    def login(self) -> Login:
        """Where and as whom to log in."""
        return self._login

    @property
    def url(self) -> str:
        """The site as this host reaches it, without a slash at its end."""
        return self._url

    def _check(self) -> None:
        """Do nothing: whether it lives shows when it is asked something."""

    def _evidence(self) -> str:
        return ""  # nobody reads its console

    def close(self) -> None:
        """Hang up; the host goes on."""
        self._open.close()
        self._hang_up()

    def __enter__(self) -> "RemoteHost":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Refuse: it already runs."""
        raise self._no_hypervisor("start")

    def crash(self) -> None:
        """Refuse: only a hypervisor can cut the power."""
        raise self._no_hypervisor("crash")

    def shutdown(self) -> None:
        """Refuse: nobody here could start it again."""
        raise self._no_hypervisor("shutdown")

    def block_network(self) -> None:
        """Refuse: there would be no way back in."""
        raise self._no_hypervisor("block_network")

    def unblock_network(self) -> None:
        """Refuse, as `block_network` does."""
        raise self._no_hypervisor("unblock_network")

    def _no_hypervisor(self, what: str) -> MachineError:
        return MachineError(f"{self.name}: {what} needs the hypervisor; SSH is all there is")
