"""What a cloud's resolver knows and no other does: the names of its metadata servers.

QEMU passes what a guest asks its resolver on to that of /etc/resolv.conf, port 53. So dnsmasq
answers on an address of this host's loopback, and QEMU sees a resolv.conf that says so.
"""

import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from machine.command import environment
from machine.error import MachineError

PROGRAM = "dnsmasq"
# Ends with its standard input, and so with this process, however that ends.
# What a terminal sends to all that it has is for us, who then stop it.
TIED = 'trap "" HUP; exec 3<&0; (read -r _ <&3; kill "$$") & exec "$@" 3<&-'
ATTEMPTS = 5  # on another address each time: someone may have taken one
START_SECONDS = 10.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05


class Resolver:
    """Answers for these names alone, from now until it is closed or this process ends.

    Args:
        names: and their IPv4 addresses.
        folder: for its files.

    Raises:
        MachineError: dnsmasq is missing or does not start, or sudo is, to a user who is not root:
            port 53 is root's.
    """

    def __init__(self, names: Mapping[str, str], folder: Path) -> None:
        self._names = names
        self._folder = folder
        self._resolv_conf = folder / "resolv.conf"
        self._as_root = [] if os.geteuid() == 0 else ["sudo"]
        if self._as_root and shutil.which("sudo") is None:
            raise MachineError("a cloud's resolver needs port 53: run as root, or install sudo")
        for attempt in range(1, ATTEMPTS + 1):
            address = f"127.{secrets.randbelow(250) + 2}.53.{secrets.randbelow(250) + 2}"
            try:
                self._start(address)
                break
            except MachineError:
                self.close()
                if attempt == ATTEMPTS:
                    raise
        self._resolv_conf.write_text(f"nameserver {address}\n")

    def _start(self, address: str) -> None:
        """Start it at `address`. Raises MachineError if it is not there after START_SECONDS."""
        pid_file, errors = self._folder / "resolver.pid", self._folder / "resolver.err"
        pid_file.unlink(missing_ok=True)
        user = pwd.getpwuid(os.geteuid()).pw_name
        with errors.open("wb") as stderr:
            self._process = subprocess.Popen(
                [
                    *(*self._as_root, "sh", "-c", TIED, "sh"),
                    *(PROGRAM, "--keep-in-foreground"),
                    *("--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
                    *("--port=53", f"--listen-address={address}", "--bind-interfaces"),
                    *(f"--host-record={name},{where}" for name, where in self._names.items()),
                    # Once it has the port it needs no more rights than ours.
                    *(f"--user={user}", f"--pid-file={pid_file}"),
                ],
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        deadline = time.monotonic() + START_SECONDS
        while not (pid_file.exists() and pid_file.read_text().strip()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = errors.read_text(errors="replace").strip()
                raise MachineError(f"{PROGRAM} does not start: {said or 'it said nothing'}")
            time.sleep(POLL_SECONDS)

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
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(STOP_SECONDS)
