"""A resolver for the host names that only a cloud's own resolver knows.

QEMU passes a guest's DNS requests on to the server in /etc/resolv.conf, port 53. So dnsmasq listens
on a loopback address of this host, and QEMU gets a resolv.conf of its own that names it.
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
# The program ends with its standard input, and so with this process, however that ends. Signals of
# the terminal are ignored: this process handles them and then stops the program.
TIED = 'trap "" HUP; exec 3<&0; (read -r _ <&3; kill "$$") & exec "$@" 3<&-'
START_SECONDS = 10.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05


class Resolver:
    """Answers for `names` alone, until it is closed or this process ends.

    Args:
        names: IPv4 addresses by host name.
        folder: for its files.

    Raises:
        MachineError: dnsmasq is missing or does not start, or this user is not root and has no
            sudo, as port 53 requires.
    """

    def __init__(self, names: Mapping[str, str], folder: Path) -> None:
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        if as_root and shutil.which("sudo") is None:
            raise MachineError("a cloud's resolver needs port 53: run as root, or install sudo")
        # One of 62,500 addresses: two runs at the same time do not collide.
        address = f"127.{secrets.randbelow(250) + 2}.53.{secrets.randbelow(250) + 2}"
        pid_file, errors = folder / "resolver.pid", folder / "resolver.err"
        user = pwd.getpwuid(os.geteuid()).pw_name
        with errors.open("wb") as stderr:
            self._process = subprocess.Popen(
                [
                    *(*as_root, "sh", "-c", TIED, "sh"),
                    *(PROGRAM, "--keep-in-foreground"),
                    *("--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
                    *("--port=53", f"--listen-address={address}", "--bind-interfaces"),
                    *(f"--host-record={name},{where}" for name, where in names.items()),
                    # It drops its rights once it has the port.
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
                self.close()
                reason = errors.read_text(errors="replace").strip() or "no message"
                raise MachineError(f"{PROGRAM} does not start: {reason}")
            time.sleep(POLL_SECONDS)
        self._resolv_conf = folder / "resolv.conf"
        self._resolv_conf.write_text(f"nameserver {address}\n")

    def around(self, command: list[str]) -> list[str]:
        """Return the command that runs `command`, in the same process, with this resolver."""
        root = [] if os.geteuid() == 0 else ["--map-root-user"]
        bind = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        return [
            *("unshare", *root, "--mount", "--propagation", "private"),
            *("sh", "-c", bind, str(self._resolv_conf), *command),
        ]

    def close(self) -> None:
        """Stop; a second call has no effect."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(STOP_SECONDS)
