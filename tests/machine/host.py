"""What tests can do with any host that is reached by SSH."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Container
from contextlib import suppress
from typing import NamedTuple, TypeVar

import requests
import testinfra.host

from machine.assertion import Backend
from machine.error import MachineError, MachineTimeoutError, NotYetError, UnreachableError
from machine.root import Output, Root
from machine.ssh import Connection, Login

T = TypeVar("T")

# Seconds. An emulated machine boots in 60, or in 220 if another one shares its two processors. A
# deadline that is never reached costs nothing.
COMMAND_SECONDS = 300.0
WAIT_SECONDS = 300.0
BOOT_SECONDS = 600.0
ATTEMPT_SECONDS = 30.0  # for one probe, which may hang


class Result(NamedTuple):
    """The exit status of a command, and its output."""

    status: int
    stdout: str
    stderr: str


class Host(ABC):
    """A host with SSH, where one user may run everything by sudo.

    Attributes:
        name: in error messages.
        timings: seconds from power-on to the moment when a wait saw its condition hold, such as
            `{"boot 1 ssh": 61.2}`.
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
        """Address, user and key of the SSH login."""

    @property
    @abstractmethod
    def url(self) -> str:
        """URL of the site from here, without a slash at the end."""

    @abstractmethod
    def start(self) -> None:
        """Power on.

        Raises:
            MachineError: the host already runs, or has no hypervisor.
        """

    @abstractmethod
    def crash(self) -> None:
        """Cut the power: data that are not yet on the disk are lost.

        Raises:
            MachineError: the host has no hypervisor.
        """

    @abstractmethod
    def _check(self) -> None:
        """Raise if waiting any longer is pointless."""

    @abstractmethod
    def _evidence(self) -> str:
        """Return text to append to an error."""

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

    def _record(self, what: str) -> None:
        key = f"boot {self._boots} {what}"
        self.timings.setdefault(key, round(time.monotonic() - self._power_on, 1))

    def _ssh(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self.login)
        return self._connection

    def _wait(
        self, what: str, probe: Callable[[float], T], timeout: float, interval: float = 1.0
    ) -> T:
        """Call `probe` until it returns, and return its result.

        `probe` gets the seconds that remain, and raises NotYetError or UnreachableError to be
        called again.

        Raises:
            MachineTimeoutError: the deadline passed.
        """
        start = time.monotonic()
        while True:
            self._check()
            try:
                return probe(max(0.1, timeout - (time.monotonic() - start)))
            except (NotYetError, UnreachableError) as reason:
                last = reason
            self._check()
            elapsed = time.monotonic() - start
            if elapsed >= timeout:
                raise MachineTimeoutError(
                    f"{self.name}: {what}: not so after {elapsed:.0f} s"
                    f" (deadline {timeout:g} s); last: {last}{self._evidence()}"
                ) from last
            time.sleep(min(interval, timeout - elapsed))

    # Commands

    def _run(self, command: str, timeout: float, stdin: bytes = b"") -> Output:
        """Run a command as root; errors come without evidence, which a wait adds itself."""
        self._check()
        if self._root is None:
            self._root = Root(self._ssh())
        return self._root.run(command, timeout=timeout, stdin=stdin)

    def _run_once(self, command: str, timeout: float, stdin: bytes = b"") -> Output:
        """Run a command outside of a wait."""
        try:
            return self._run(command, timeout, stdin)
        except (UnreachableError, MachineTimeoutError) as error:
            self._check()
            raise type(error)(f"{self.name}: {error}{self._evidence()}") from error

    def execute(self, command: str, *, timeout: float = COMMAND_SECONDS, stdin: str = "") -> Result:
        """Run a command as root with `sh -c`, whatever its exit status.

        Args:
            command: text for the shell.
            timeout: seconds until the command must have ended.
            stdin: text for the command's standard input.

        Raises:
            UnreachableError: no connection, or the connection was lost before the command ended.
            MachineTimeoutError: the command still ran at the deadline.
        """
        return _decoded(self._run_once(command, timeout, stdin.encode()))

    def succeed(self, command: str, *, timeout: float = COMMAND_SECONDS, stdin: str = "") -> str:
        """Run a command as `execute` does, and return its stdout.

        Raises:
            MachineError: the exit status is not 0, or what `execute` raises.
        """
        result = self.execute(command, timeout=timeout, stdin=stdin)
        if result.status != 0:
            raise MachineError(f"{self.name}: failed: {_report(command, result)}")
        return result.stdout

    def fail(self, command: str, *, timeout: float = COMMAND_SECONDS) -> str:
        """Run a command that must fail, and return its stdout.

        Raises:
            MachineError: the exit status is 0, or what `execute` raises.
        """
        result = self.execute(command, timeout=timeout)
        if result.status == 0:
            raise MachineError(f"{self.name}: should have failed: {_report(command, result)}")
        return result.stdout

    @property
    def host(self) -> testinfra.host.Host:
        """The host for testinfra, as root. Each boot has a new one, because it caches facts."""
        if self._testinfra is None:
            backend = Backend(self.name, lambda command: self._run_once(command, COMMAND_SECONDS))
            self._testinfra = testinfra.host.Host(backend)
        return self._testinfra

    # Waiting

    def wait_for_ssh(self, timeout: float = BOOT_SECONDS) -> None:
        """Wait until a login and sudo succeed.

        Raises:
            MachineTimeoutError: not within `timeout` seconds.
        """

        def probe(remaining: float) -> None:
            result = self._probe("true", min(ATTEMPT_SECONDS, remaining))
            if result.status != 0:
                raise NotYetError(_report("sudo", result))

        self._wait("SSH", probe, timeout)
        self._record("ssh")

    def wait_for_http(
        self,
        path: str = "/",
        status: int | Container[int] = 200,
        timeout: float = WAIT_SECONDS,
    ) -> requests.Response:
        """Wait until the site answers a GET from here, and return the response.

        Args:
            path: begins with a slash; redirects are not followed.
            status: the status to wait for, or several, such as `range(500)`.
            timeout: seconds from now.

        Raises:
            MachineTimeoutError: not within `timeout` seconds; names the last response.
        """
        wanted = [status] if isinstance(status, int) else status

        def probe(remaining: float) -> requests.Response:
            try:
                with requests.Session() as session:
                    session.trust_env = False  # a proxy does not know our addresses
                    response = session.get(
                        self.url + path,
                        timeout=min(ATTEMPT_SECONDS, remaining),
                        allow_redirects=False,
                    )
            except requests.RequestException as error:
                raise NotYetError(str(error)) from error
            if response.status_code not in wanted:
                raise NotYetError(f"{response.status_code} {response.reason}")
            return response

        response = self._wait(f"GET {path} gives {status}", probe, timeout)
        self._record("http")
        return response

    def wait_until_succeeds(self, command: str, timeout: float = WAIT_SECONDS) -> str:
        """Run a command until its exit status is 0, and return its stdout.

        Raises:
            MachineTimeoutError: not within `timeout` seconds; with the last failure.
        """

        def probe(remaining: float) -> str:
            result = self._probe(command, remaining)
            if result.status != 0:
                raise NotYetError(_report(command, result))
            return result.stdout

        return self._wait(f"success of `{command}`", probe, timeout)

    def _probe(self, command: str, timeout: float) -> Result:
        """Run a command within a wait; a command that hangs is tried again."""
        try:
            return _decoded(self._run(command, timeout))
        except MachineTimeoutError as error:
            raise NotYetError(f"`{command}` hangs") from error

    # Boots

    def boot_id(self) -> str:
        """Return the kernel's random name of this boot, see random(4)."""
        return self.succeed("cat /proc/sys/kernel/random/boot_id").strip()

    def reboot(self, timeout: float = BOOT_SECONDS) -> str:
        """Reboot from inside, wait for a login, and return the new boot_id.

        Raises:
            MachineError: systemd refused.
            MachineTimeoutError: the host is not back within `timeout` seconds.
        """
        before = self.boot_id()
        self._new_boot()
        # The host may go down before it can answer; the boot_id shows whether it did.
        with suppress(UnreachableError, MachineTimeoutError):
            self.succeed("systemctl reboot", timeout=ATTEMPT_SECONDS)
        self._hang_up()

        def probe(remaining: float) -> str:
            result = self._probe(
                "cat /proc/sys/kernel/random/boot_id", min(ATTEMPT_SECONDS, remaining)
            )
            if result.status != 0 or result.stdout.strip() == before:
                self._hang_up()
                raise NotYetError("the old boot still answers")
            return result.stdout.strip()

        after = self._wait("reboot", probe, timeout)
        self._record("ssh")
        return after


def _decoded(output: Output) -> Result:
    return Result(
        output.status,
        output.stdout.decode(errors="replace"),
        output.stderr.decode(errors="replace"),
    )


def _report(command: str, result: Result) -> str:
    """Return a command, its exit status and its output, for an error's text."""
    written = "\n".join(text.strip() for text in (result.stdout, result.stderr) if text.strip())
    return f"`{command}` (exit status {result.status})" + (f"\n{written}" if written else "")
