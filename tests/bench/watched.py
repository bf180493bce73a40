"""A machine whose boot is timed from outside, without a login that would slow it down."""

import os
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import create_connection
from typing import Any

from machine import Machine
from machine.error import NotYetError

POLL_SECONDS = 0.2
BOOT_SECONDS = 900.0


class WatchedMachine(Machine):
    """A machine whose `start` returns once it serves SSH and then its page.

    Args:
        page: path of the site's page; None for a machine without a site.
        The others are Machine's.

    Attributes:
        power_on: when QEMU started, by time.monotonic().
        ssh, page_seen: seconds from then to sshd's first greeting, and to the first response below
            500 for the page; None before that.
        ssh_work, page_work: processor seconds that QEMU had used by then. A busy host lengthens a
            boot, but changes these little.
    """

    def __init__(self, image: Path, *, page: str | None, **options: Any) -> None:
        super().__init__(image, **options)
        self._page = page

    def start(self) -> None:
        """Power on, and wait until sshd greets and the site gives its page, in this order.

        Raises:
            KernelPanicError: the guest's kernel has panicked.
            MachineTimeoutError: it does not serve within BOOT_SECONDS.
            MachineError: what `Machine.start` raises.
        """
        self.ssh: float | None = None
        self.page_seen: float | None = None
        super().start()
        self.power_on = self._power_on
        # Without a network in the guest an attempt hangs: give up soon and try again. Once the
        # guest has answered, even with a refusal, a hanging attempt is the guest at work.
        self._patience = 1.0
        self._wait("SSH greeting", self._greets, BOOT_SECONDS, POLL_SECONDS)
        self.ssh, self.ssh_work = self._seen()
        if self._page is not None:
            self._wait("page", self._serves, BOOT_SECONDS, POLL_SECONDS)
            self.page_seen, self.page_work = self._seen()

    def _seen(self) -> tuple[float, float]:
        return time.monotonic() - self.power_on, used(self.pid)

    def _greets(self, _remaining: float) -> None:
        try:
            with create_connection(("127.0.0.1", self.ssh_port), self._patience) as connection:
                greeting = connection.recv(4)
        except OSError as error:
            raise self._not_yet(error) from error
        if greeting != b"SSH-":
            raise self._not_yet(ConnectionError(f"greeted with {greeting!r}"))
        self._patience = 30.0

    def _serves(self, _remaining: float) -> None:
        connection = HTTPConnection("127.0.0.1", self.http_port, timeout=self._patience)
        try:
            connection.request("GET", str(self._page))
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            raise self._not_yet(error) from error
        finally:
            connection.close()
        if status >= 500:
            raise NotYetError(f"status {status}")

    def _not_yet(self, error: Exception) -> NotYetError:
        if not isinstance(error, TimeoutError):
            self._patience = 30.0
        return NotYetError(str(error))


def used(pid: int | None) -> float:
    """Processor seconds of a process and its threads (proc(5))."""
    # The second field, the program's name, may hold spaces and brackets.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
