"""testinfra's assertions, over the connection that a host already has."""

from collections.abc import Callable
from typing import Any

import testinfra.host
from testinfra.backend.base import BaseBackend

from machine.root import Output


class Backend(BaseBackend):  # type: ignore[misc] # testinfra has no types
    """A testinfra backend that hands commands to `run`.

    testinfra's own paramiko backend opens a second connection, reads ~/.ssh/config, and waits for
    ever for a command that hangs.

    Args:
        name: what testinfra calls the host.
        run: runs a command as root and returns how it ended.
    """

    NAME = "machine"

    def __init__(self, name: str, run: Callable[[str], Output]) -> None:
        super().__init__(name)
        self._run = run

    def run(self, command: str, *args: str, **_kwargs: Any) -> Any:
        """Run a command with quoted arguments, as testinfra's modules do."""
        text = self.get_command(command, *args)
        output = self._run(text)
        return self.result(output.status, text.encode(), output.stdout, output.stderr)


def testinfra_host(name: str, run: Callable[[str], Output]) -> testinfra.host.Host:
    """Return a host for testinfra; arguments as for `Backend`."""
    return testinfra.host.Host(Backend(name, run))
