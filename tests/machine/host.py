"""What one can ask of any host that is reached by SSH."""

import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple, TypeVar

import requests
import testinfra.host

from machine.assertion import testinfra_host
from machine.error import MachineError, MachineTimeoutError, UnreachableError
from machine.root import Output, Root
from machine.ssh import Connection, Login
from machine.tunnel import open_tunnel
from machine.wait import NotYetError, wait_for

T = TypeVar("T")

# Seconds. An emulated machine boots in 60, in 220 where another one shares its two processors. A
# deadline that is never met costs nothing.
COMMAND_SECONDS = 300.0
WAIT_SECONDS = 300.0
BOOT_SECONDS = 600.0
ATTEMPT_SECONDS = 30.0  # one look at something that may hang


class Result(NamedTuple):
    """How a command ended: its exit status, and what it wrote."""

    status: int
    stdout: str
    stderr: str


class Host(ABC):
    """A host with SSH, where one user may run everything by sudo.

    Attributes:
        name: what errors call it.
        timings: seconds from power-on to what was waited for, such as `{"boot 1 ssh": 61.2}`.
            It is when a wait saw it: nobody looks in between.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.timings: dict[str, float] = {}
        self._boots = 0
        self._power_on = time.monotonic()
        self._connection: Connection | None = None
        self._root: Root | None = None
        self._testinfra: testinfra.host.Host | None = None

    @property
    @abstractmethod
    def login(self) -> Login:
        """Where and as whom to log in."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The site as this host reaches it, without a slash at its end."""

    @abstractmethod
    def start(self) -> None:
        """Power on.

        Raises:
            MachineError: it runs already, or only a hypervisor can do that.
        """

    @abstractmethod
    def crash(self) -> None:
        """Cut the power: whatever the disk does not hold yet is lost.

        Raises:
            MachineError: only a hypervisor can do that.
        """

    @abstractmethod
    def _check(self) -> None:
        """Raise if there is no point in waiting any longer."""

    @abstractmethod
    def _evidence(self) -> str:
        """Return what to show under an error."""

    def _new_boot(self) -> None:
        self._boots += 1
        self._power_on = time.monotonic()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._root = None
        self._testinfra = None

    def _saw(self, what: str) -> None:
        key = f"boot {self._boots} {what}"
        self.timings.setdefault(key, round(time.monotonic() - self._power_on, 1))

    def _ssh(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self.login)
        return self._connection

    def _wait(
        self, what: str, probe: Callable[[float], T], timeout: float, interval: float = 1.0
    ) -> T:
        return wait_for(
            f"{self.name}: {what}",
            probe,
            timeout=timeout,
            interval=interval,
            check=self._check,
            evidence=self._evidence,
        )

    # Commands

    def _ask(self, command: str, timeout: float, stdin: bytes = b"") -> Output:
        """Run a command as root; errors come without evidence, for a wait adds its own."""
        self._check()
        if self._root is None:
            self._root = Root(self._ssh())
        return self._root.run(command, timeout=timeout, stdin=stdin)

    def _run(self, command: str, timeout: float, stdin: bytes = b"") -> Output:
        try:
            return self._ask(command, timeout, stdin)
        except (UnreachableError, MachineTimeoutError) as error:
            self._check()
            raise type(error)(f"{self.name}: {error}{self._evidence()}") from error

    def execute(self, command: str, *, timeout: float = COMMAND_SECONDS, stdin: str = "") -> Result:
        """Run a command as root with `sh -c`, and return how it ended.

        Args:
            command: text for the shell.
            timeout: seconds from now to its end.
            stdin: what it reads.

        Raises:
            UnreachableError: no connection, or lost before the command had ended.
            MachineTimeoutError: it still ran at the deadline.
        """
        return _decoded(self._run(command, timeout, stdin.encode()))

    def succeed(self, command: str, *, timeout: float = COMMAND_SECONDS, stdin: str = "") -> str:
        """Run a command as `execute` does, and return its stdout.

        Raises:
            MachineError: its exit status is not 0, or what `execute` raises.
        """
        result = self.execute(command, timeout=timeout, stdin=stdin)
        if result.status != 0:
            raise MachineError(f"{self.name}: failed: {_told(command, result)}")
        return result.stdout

    def fail(self, command: str, *, timeout: float = COMMAND_SECONDS) -> str:
        """Run a command that must fail, and return its stdout.

        Raises:
            MachineError: its exit status is 0, or what `execute` raises.
        """
        result = self.execute(command, timeout=timeout)
        if result.status == 0:
            raise MachineError(f"{self.name}: should have failed: {_told(command, result)}")
        return result.stdout

    @property
    def host(self) -> testinfra.host.Host:
        """The host for testinfra, as root; a new one for each boot, as it remembers facts."""
        if self._testinfra is None:
            self._testinfra = testinfra_host(
                self.name, lambda command: self._run(command, COMMAND_SECONDS)
            )
        return self._testinfra

    def tunnel(self, port: int) -> AbstractContextManager[int]:
        """Listen on a free port of 127.0.0.1 that leads to `port` of the host's own 127.0.0.1.

        Returns:
            a context manager whose value is the port on this side.
        """
        return open_tunnel(lambda: self._ssh().transport(), port)

    # Waiting

    def wait_for_ssh(self, timeout: float = BOOT_SECONDS) -> None:
        """Wait until one can log in and become root.

        Raises:
            MachineTimeoutError: not within `timeout` seconds.
        """

        def probe(remaining: float) -> None:
            result = self._look("true", remaining)
            if result.status != 0:
                raise NotYetError(_told("sudo", result))

        self._wait("SSH", probe, timeout)
        self._saw("ssh")

    def wait_for_unit(self, unit: str, timeout: float = WAIT_SECONDS) -> None:
        """Wait until systemd calls a unit active.

        Raises:
            MachineError: it has failed; with its status and its last lines in the journal.
            MachineTimeoutError: not active within `timeout` seconds.
        """
        quoted = shlex.quote(unit)
        show = f"systemctl show --property=LoadState,ActiveState,SubState -- {quoted}"

        def probe(remaining: float) -> None:
            answer = self._look(show, remaining).stdout
            state = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
            if state.get("ActiveState") == "failed":
                status = f"systemctl status --no-pager --full --lines=20 -- {quoted}"
                raise MachineError(f"{self.name}: {unit} failed\n{self.execute(status).stdout}")
            if state.get("ActiveState") != "active":
                raise NotYetError(" ".join(state.values()))

        self._wait(f"unit {unit} active", probe, timeout)

    def wait_for_open_port(self, port: int, timeout: float = WAIT_SECONDS) -> None:
        """Wait until something on the host listens on a TCP port, on whatever address.

        Raises:
            MachineTimeoutError: not within `timeout` seconds.
        """

        def probe(remaining: float) -> None:
            if not self._look(f"ss -Hltn 'sport = :{port}'", remaining).stdout.strip():
                raise NotYetError("nobody listens")

        self._wait(f"TCP port {port} open", probe, timeout)

    def wait_for_http(
        self,
        path: str = "/",
        status: int | Container[int] | None = 200,
        timeout: float = WAIT_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Wait until the site answers a GET from here, and return the answer.

        Args:
            path: begins with a slash; redirects are not followed.
            status: the status to wait for, or several, such as `range(500)`; None takes any.
            timeout: seconds from now.
            headers: headers of the request, such as Host.

        Raises:
            MachineTimeoutError: not within `timeout` seconds; names the last answer.
        """

        wanted = [status] if isinstance(status, int) else status

        def probe(remaining: float) -> requests.Response:
            try:
                with requests.Session() as session:
                    session.trust_env = False  # a proxy does not know our addresses
                    answer = session.get(
                        self.url + path,
                        headers=headers,
                        timeout=min(ATTEMPT_SECONDS, remaining),
                        allow_redirects=False,
                    )
            except requests.RequestException as error:
                raise NotYetError(str(error)) from error
            if wanted is not None and answer.status_code not in wanted:
                raise NotYetError(f"{answer.status_code} {answer.reason}")
            return answer

        said = "any answer" if status is None else status
        answer = self._wait(f"GET {path} gives {said}", probe, timeout)
        self._saw("http")
        return answer

    def wait_until_succeeds(self, command: str, timeout: float = WAIT_SECONDS) -> str:
        """Run a command again and again until its exit status is 0, and return its stdout.

        Raises:
            MachineTimeoutError: not within `timeout` seconds; with the last failure.
        """

        def probe(remaining: float) -> str:
            result = self._attempt(command, remaining)
            if result.status != 0:
                raise NotYetError(_told(command, result))
            return result.stdout

        return self._wait(f"success of `{command}`", probe, timeout)

    def _attempt(self, command: str, timeout: float) -> Result:
        """Run a command as part of a wait, which alone decides what to say at the deadline."""
        try:
            return _decoded(self._ask(command, timeout))
        except MachineTimeoutError as error:
            raise NotYetError(f"`{command}` hangs") from error

    def _look(self, command: str, remaining: float) -> Result:
        """Run a command that takes no time, unless the connection is dead without saying so."""
        return self._attempt(command, min(ATTEMPT_SECONDS, remaining))

    # Boots

    def boot_id(self) -> str:
        """Return the kernel's random name of this boot, from random(4)."""
        return self.succeed("cat /proc/sys/kernel/random/boot_id").strip()

    def reboot(self, timeout: float = BOOT_SECONDS) -> str:
        """Reboot in order, from inside, and return the new boot_id once one can log in.

        Raises:
            MachineError: systemd refused.
            MachineTimeoutError: the host is not back within `timeout` seconds.
        """
        before = self.boot_id()
        self._new_boot()
        # It may go down before it can answer; whether it did shows below.
        with suppress(UnreachableError, MachineTimeoutError):
            self.succeed("systemctl reboot", timeout=ATTEMPT_SECONDS)
        self._hang_up()

        def probe(remaining: float) -> str:
            answer = self._look("cat /proc/sys/kernel/random/boot_id", remaining)
            if answer.status != 0 or answer.stdout.strip() == before:
                self._hang_up()
                raise NotYetError("the old boot still answers")
            return answer.stdout.strip()

        after = self._wait("reboot", probe, timeout)
        self._saw("ssh")
        return after


def _decoded(output: Output) -> Result:
    return Result(
        output.status,
        output.stdout.decode(errors="replace"),
        output.stderr.decode(errors="replace"),
    )


def _told(command: str, result: Result) -> str:
    """Return what a command did, for an error's text."""
    written = "\n".join(text.strip() for text in (result.stdout, result.stderr) if text.strip())
    return f"`{command}` (exit status {result.status})" + (f"\n{written}" if written else "")
