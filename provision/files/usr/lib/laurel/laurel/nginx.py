"""nginx: checks of its configuration, and reloads that wait for the new workers."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from laurel.errors import LaurelError

SITE = Path("/etc/nginx/sites-available/site.conf")
PID_FILE = Path("/run/nginx.pid")
_DOWN = re.compile(r"server unix:(\S+) [^;]*\bdown;")
TAKE_OVER = 30.0  # seconds until new workers serve; most start within one second

# In a separate mount namespace, so that only this nginx sees the candidate as SITE.
_TRY = 'mount --bind "$1" "$2" && exec nginx -t -q'


def check(candidate: Path) -> None:
    """Raise LaurelError if nginx refuses its configuration with `candidate` as site.conf."""
    if not SITE.exists():
        return  # the first site.conf: provisioning runs `nginx -t` before nginx reads it
    tried = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _TRY, "sh", candidate, SITE],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        raise LaurelError(f"{SITE} stays as it was, nginx refuses the new one: {_errors(tried)}")


def drained() -> set[str]:
    """The sockets that get no new requests, because a reload is running or has failed."""
    return set(_DOWN.findall(SITE.read_text())) if SITE.is_file() else set()


def reload() -> None:
    """Reload nginx and wait until its old workers take no new requests."""
    tried = subprocess.run(["nginx", "-t", "-q"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise LaurelError(f"nginx refuses its configuration: {_errors(tried)}")
    old = _serving()
    subprocess.run(["systemctl", "reload", "nginx.service"], check=True)
    deadline = time.monotonic() + TAKE_OVER
    while old & _serving():
        if time.monotonic() > deadline:
            raise LaurelError(f"nginx still serves its old configuration after {TAKE_OVER:.0f} s")
        time.sleep(0.1)


def hand_over(say: Callable[[str], None]) -> None:
    """Start nginx's new version if a package has replaced its program, without a lost request.

    The new nginx gets the listening sockets; the old one ends when its last connection does:
    https://nginx.org/en/docs/control.html#upgrade
    """
    old = _master()
    program = Path(f"/proc/{old}/exe")
    if not old or not program.is_symlink() or not str(program.readlink()).endswith(" (deleted)"):
        return
    tried = subprocess.run(["nginx", "-t", "-q"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise LaurelError(f"the old nginx goes on, the new one refuses: {_errors(tried)}")
    os.kill(old, signal.SIGUSR2)
    deadline = time.monotonic() + TAKE_OVER
    while not _has_started(old):
        if time.monotonic() > deadline:
            raise LaurelError(
                "the old nginx goes on, the new one does not start: see its error log"
            )
        time.sleep(0.1)
    os.kill(old, signal.SIGQUIT)
    say("nginx's new version serves; the old one ends with its last connection")


def _has_started(old: int) -> bool:
    return _master() not in (0, old) and bool(_serving())


def _master() -> int:
    """The pid of nginx's first process; 0 if there is none."""
    try:
        text = PID_FILE.read_text().strip()
    except FileNotFoundError:  # also while a new nginx takes over
        return 0
    return int(text or 0)  # `nginx -t` leaves an empty file where nginx does not run


def _errors(tried: "subprocess.CompletedProcess[str]") -> str:
    return " ".join(tried.stderr.split())


def _serving() -> set[int]:
    """The pids of the workers that take new connections, by their titles."""
    master = _master()
    found = set()
    for children in Path(f"/proc/{master}/task").glob("*/children") if master else ():
        for pid in children.read_text().split():
            try:
                title = Path(f"/proc/{pid}/cmdline").read_text()
            except OSError:  # it has just ended
                continue
            if title and "shutting down" not in title:
                found.add(int(pid))
    return found
