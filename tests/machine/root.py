"""Commands as root, over one lasting connection."""

import base64
import json
import shlex
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import paramiko

from machine.error import MachineTimeoutError, UnreachableError
from machine.ssh import CHANNEL_SECONDS, Connection, Login

RUNNER = Path(__file__).with_name("runner.py")
READY = b"ready"


class Output(NamedTuple):
    """How a command ended: its exit status, and the bytes it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


class Root:
    """Runs commands on a host as root; see `runner.py` for what answers there.

    Threads may share it: each command that runs at the same time has a runner of its own. A command
    that misses its deadline takes the others with it.

    Args:
        connection: the way to the host; who logs in there is root or may become so by sudo.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._idle: list[_Runner] = []

    def run(self, command: str, *, timeout: float, stdin: bytes = b"") -> Output:
        """Run a command with `sh -c`.

        Args:
            command: text for the shell.
            timeout: seconds from now to its end.
            stdin: what it reads.

        Returns:
            how it ended, or how sudo did, if it would not let us.

        Raises:
            UnreachableError: no connection, or lost before the command had ended.
            MachineTimeoutError: it still ran at the deadline; the connection is closed.
        """
        deadline = time.monotonic() + timeout
        runner = self._idle_runner(deadline) or self._new_runner(deadline)
        try:
            refused = runner.start(deadline)
            if refused:
                return refused
            output = runner.run(command, stdin, deadline)
        except TimeoutError as error:
            self._connection.close()
            raise MachineTimeoutError(
                f"{self._connection.login}: still runs after {timeout:g} s: {command}"
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            runner.channel.close()
            raise UnreachableError(
                f"{self._connection.login}: lost during: {command} {error}".rstrip()
            ) from error
        self._idle.append(runner)
        return output

    def _idle_runner(self, deadline: float) -> "_Runner | None":
        """Return one that answers: a dead connection may not have said so yet."""
        while self._idle:
            runner = self._idle.pop()
            with suppress(paramiko.SSHException, OSError, EOFError):
                if runner.answers(min(deadline, time.monotonic() + CHANNEL_SECONDS)):
                    return runner
            runner.channel.close()
        return None

    def _new_runner(self, deadline: float) -> "_Runner":
        return _Runner(self._connection.channel(deadline), self._connection.login)


class _Runner:
    """One `runner.py` on the host, at the other end of a channel."""

    def __init__(self, channel: paramiko.Channel, login: Login) -> None:
        self.channel = channel
        self._login = login
        self._ready = False
        self._received = bytearray()

    def start(self, deadline: float) -> Output | None:
        """Start it, if it does not run yet; return how sudo ended if it refused."""
        if self._ready:
            return None
        words = ["python3", "-c", RUNNER.read_text()]
        if self._login.user != "root":
            words = ["sudo", "-n", "--", *words]
        self.channel.settimeout(_remaining(deadline))
        self.channel.exec_command(shlex.join(words))
        try:
            self._ready = self._line(deadline) == READY
        except EOFError:
            status = self.channel.recv_exit_status()
            if status < 0:  # paramiko's word for a channel that closed without one
                raise
            said = bytearray()
            while part := self.channel.recv_stderr(65536):
                said += part
            return Output(status, bytes(self._received), bytes(said))
        if not self._ready:
            raise EOFError("python3 does not start as it should")
        return None

    def answers(self, deadline: float) -> bool:
        """Whether it is still there."""
        self.channel.settimeout(_remaining(deadline))
        self.channel.sendall(b"\n")
        return self._line(deadline) == READY

    def run(self, command: str, stdin: bytes, deadline: float) -> Output:
        """Have it run a command."""
        request = {"command": command, "stdin": base64.b64encode(stdin).decode()}
        self.channel.settimeout(_remaining(deadline))
        self.channel.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self._line(deadline))
        return Output(
            answer["status"],
            base64.b64decode(answer["stdout"]),
            base64.b64decode(answer["stderr"]),
        )

    def _line(self, deadline: float) -> bytes:
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            self.channel.settimeout(_remaining(deadline))
            data = self.channel.recv(1 << 20)
            if not data:
                raise EOFError
            self._received += data
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line


def _remaining(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())
