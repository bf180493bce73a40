"""What a cloud's resolver knows and no other does: the names of its metadata servers.

QEMU passes what a guest asks its resolver on to that of /etc/resolv.conf, port 53. So dnsmasq
answers on an address of this host's loopback, and QEMU sees a resolv.conf that says so.
"""

import os
import pwd
import secrets
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from machine.command import run
from machine.error import MachineError

PROGRAM = "dnsmasq"
ATTEMPTS = 5  # on another address each time: someone may have taken one
START_SECONDS = 10.0
POLL_SECONDS = 0.05


class Resolver:
    """Answers for these names alone, from now until it is closed.

    Args:
        names: and their IPv4 addresses.
        folder: for its files.

    Raises:
        MachineError: dnsmasq is missing or does not start, or sudo is, to a user who is not root:
            port 53 is root's.
    """

    def __init__(self, names: Mapping[str, str], folder: Path) -> None:
        self._pid_file = folder / "resolver.pid"
        self._resolv_conf = folder / "resolv.conf"
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        if as_root and shutil.which("sudo") is None:
            raise MachineError("a cloud's resolver needs port 53: run as root, or install sudo")
        user = pwd.getpwuid(os.geteuid()).pw_name
        for attempt in range(1, ATTEMPTS + 1):
            address = f"127.{secrets.randbelow(250) + 2}.53.{secrets.randbelow(250) + 2}"
            try:
                run(
                    *(*as_root, PROGRAM, "--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
                    *("--port=53", f"--listen-address={address}", "--bind-interfaces"),
                    *(f"--host-record={name},{where}" for name, where in names.items()),
                    # Once it has the port it is ours, and we may end it.
                    *(f"--user={user}", f"--pid-file={self._pid_file}"),
                )
                break
            except MachineError:
                if attempt == ATTEMPTS:
                    raise
        deadline = time.monotonic() + START_SECONDS
        while not (self._pid_file.exists() and self._pid_file.read_text().strip()):
            if time.monotonic() > deadline:
                raise MachineError(f"{PROGRAM} has not written {self._pid_file}")
            time.sleep(POLL_SECONDS)
        self._resolv_conf.write_text(f"nameserver {address}\n")

    def around(self, command: list[str]) -> list[str]:
        """Return the command that runs `command` where this is the resolver, in the same process.

        Raises:
            MachineError: unshare is missing.
        """
        if shutil.which("unshare") is None:
            raise MachineError("unshare is not installed (package util-linux)")
        root = [] if os.geteuid() == 0 else ["--map-root-user"]
        bind = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        return [
            *("unshare", *root, "--mount", "--propagation", "private"),
            *("sh", "-c", bind, str(self._resolv_conf), *command),
        ]

    def close(self) -> None:
        """Stop; twice does no harm."""
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(self._pid_file.read_text()), signal.SIGTERM)
        self._pid_file.unlink(missing_ok=True)
