"""testinfra's assertions, over the connection that a host already has."""

from collections.abc import Callable
from typing import Any

from testinfra.backend.base import BaseBackend

from machine.root import Output


class Backend(BaseBackend):  # type: ignore[misc] # testinfra has no types
    """A testinfra backend that passes commands to `run`, which runs them as root.

    testinfra's own paramiko backend opens a second connection, reads ~/.ssh/config, and has no
    deadline for a command.
    """

    NAME = "machine"

    def __init__(self, name: str, run: Callable[[str], Output]) -> None:
        super().__init__(name)
        self._run = run

    def run(self, command: str, *args: str, **_kwargs: Any) -> Any:
        """Run a command with quoted arguments."""
        text = self.get_command(command, *args)
        output = self._run(text)
        return self.result(output.status, text.encode(), output.stdout, output.stderr)
