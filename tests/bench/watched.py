"""A machine whose boot is watched from outside: nobody logs in before it serves."""

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import create_connection
from threading import Event

from machine import Machine, MachineTimeoutError

POLL_SECONDS = 0.2
# As long as the guest has no network, an attempt hangs and the next may do better; from its first
# answer on, even a refusal, one that hangs is waited for: whoever gives up leaves work behind.
HANGING_SECONDS = 1.0
ANSWERING_SECONDS = 30.0
BOOT_SECONDS = 900.0


class WatchedMachine(Machine):
    """A machine whose `start` returns once it serves, and has then noted when it did.

    Args:
        page: path of the site's page; None for a machine without a site, which serves SSH alone.
        The others are Machine's.

    Attributes:
        power_on: when QEMU ran, as time.monotonic() tells the time.
        ssh, page_seen: seconds from there to sshd's first greeting, and to the first answer below
            500 for the page; None until then.
        ssh_work, page_work: processor seconds that QEMU had used by then. A busy host lengthens a
            boot and changes these little; what the guest only waits for is not in them.
    """

    def __init__(
        self,
        image: Path,
        *,
        name: str,
        cpus: int,
        memory_mib: int,
        disk_gib: int,
        ssh_user: str | None,
        page: str | None,
    ) -> None:
        super().__init__(
            image,
            name=name,
            cpus=cpus,
            memory_mib=memory_mib,
            disk_gib=disk_gib,
            ssh_user=ssh_user,
        )
        self.power_on = 0.0
        self.ssh: float | None = None
        self.page_seen: float | None = None
        self.ssh_work = self.page_work = 0.0
        self._page = page

    def start(self) -> None:
        """Power on, and wait until sshd greets and the site gives its page.

        Raises:
            KernelPanicError: the guest's kernel has panicked.
            MachineTimeoutError: it does not serve within BOOT_SECONDS.
            MachineError: what `Machine.start` raises.
        """
        super().start()
        self.power_on = self._power_on
        self.ssh = self.page_seen = None
        self.ssh_work = self.page_work = 0.0
        port, page, over = self.ssh_port, self._page, Event()
        with ThreadPoolExecutor(2) as pool:
            ssh = pool.submit(first, lambda seconds: greets(port, seconds), over)
            site: Future[float] | None = None
            if page is not None:
                http = self.http_port
                site = pool.submit(first, lambda seconds: serves(http, page, seconds), over)
            try:
                while not (ssh.done() and (site is None or site.done())):
                    self._check()
                    self._note_work(ssh, site)
                    if time.monotonic() - self.power_on > BOOT_SECONDS:
                        raise MachineTimeoutError(
                            f"{self.name}: does not serve after {BOOT_SECONDS:.0f} s"
                            + self._evidence()
                        )
                    time.sleep(POLL_SECONDS)
            finally:
                over.set()
        self._note_work(ssh, site)
        self.ssh = ssh.result() - self.power_on
        self.page_seen = None if site is None else site.result() - self.power_on

    def _note_work(self, ssh: "Future[float]", site: "Future[float] | None") -> None:
        """Note what QEMU has used, once for each that has just been seen."""
        if ssh.done() and not self.ssh_work:
            self.ssh_work = used(self.pid)
        if site is not None and site.done() and not self.page_work:
            self.page_work = used(self.pid)


def used(pid: int | None) -> float:
    """Return the processor seconds of a process and its threads, as proc(5) has them."""
    # The second field, a program's name, may hold spaces and brackets.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def first(probe: Callable[[float], bool], over: Event) -> float:
    """Call `probe` again and again, and return when it first said yes, by time.monotonic().

    It gets the seconds that it may wait; an OSError is a no. After `over` the answer is nobody's.
    """
    patience = HANGING_SECONDS
    while not over.is_set():
        try:
            if probe(patience):
                break
            patience = ANSWERING_SECONDS
        except TimeoutError:
            pass
        except (OSError, HTTPException):
            patience = ANSWERING_SECONDS
        over.wait(POLL_SECONDS)
    return time.monotonic()


def greets(port: int, seconds: float) -> bool:
    """Whether an SSH server is behind a port of 127.0.0.1; it hears nothing else from us."""
    with create_connection(("127.0.0.1", port), seconds) as connection:
        return connection.recv(4) == b"SSH-"


def serves(port: int, path: str, seconds: float) -> bool:
    """Whether a GET from a port of 127.0.0.1 is answered with a status below 500."""
    connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    finally:
        connection.close()
