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
    """The exit status of a command, and its output in bytes."""

    status: int
    stdout: bytes
    stderr: bytes


class Root:
    """Runs commands on a host as root, by `runner.py` there.

    Threads may share it: commands that run at the same time have a runner each. A command that
    misses its deadline closes the connection, and so ends the others.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._idle: list[_Runner] = []

    def run(self, command: str, *, timeout: float, stdin: bytes = b"") -> Output:
        """Run a command with `sh -c`; if sudo refuses, its status and output are returned.

        Args:
            command: text for the shell.
            timeout: seconds until the command must have ended.
            stdin: bytes for the command's standard input.

        Raises:
            UnreachableError: no connection, or the connection was lost before the command ended.
            MachineTimeoutError: the command still ran at the deadline; the connection is closed.
        """
        deadline = time.monotonic() + timeout
        login = self._connection.login
        runner = self._idle_runner(deadline) or _Runner(self._connection.channel(deadline), login)
        try:
            refused = runner.start(deadline)
            if refused:
                return refused
            output = runner.run(command, stdin, deadline)
        except TimeoutError as error:
            self._connection.close()
            raise MachineTimeoutError(
                f"{login}: still runs after {timeout:g} s: {command}"
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            runner.channel.close()
            raise UnreachableError(f"{login}: lost during: {command} {error}".rstrip()) from error
        self._idle.append(runner)
        return output

    def _idle_runner(self, deadline: float) -> "_Runner | None":
        """Return a runner that answers: paramiko may not have noticed a dead connection."""
        while self._idle:
            runner = self._idle.pop()
            with suppress(paramiko.SSHException, OSError, EOFError):
                if runner.answers(min(deadline, time.monotonic() + CHANNEL_SECONDS)):
                    return runner
            runner.channel.close()
        return None


class _Runner:
    """One `runner.py` on the host, at the other end of a channel."""

    def __init__(self, channel: paramiko.Channel, login: Login) -> None:
        self.channel = channel
        self._login = login
        self._ready = False
        self._received = bytearray()

    def start(self, deadline: float) -> Output | None:
        """Start it unless it runs; return the status and output of sudo if sudo refuses."""
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
            if status < 0:  # the channel was closed without a status
                raise
            stderr = b"".join(iter(lambda: self.channel.recv_stderr(65536), b""))
            return Output(status, bytes(self._received), stderr)
        if not self._ready:
            raise EOFError("python3 does not start as it should")
        return None

    def answers(self, deadline: float) -> bool:
        """Whether it still runs."""
        self.channel.settimeout(_remaining(deadline))
        self.channel.sendall(b"\n")
        return self._line(deadline) == READY

    def run(self, command: str, stdin: bytes, deadline: float) -> Output:
        """Run a command."""
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
