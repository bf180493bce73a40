"""nginx: which processes get new requests, and reloads that are known to be over."""

import re
import subprocess
import time
from collections.abc import Set
from pathlib import Path

from laurel import templates
from laurel.errors import LaurelError
from laurel.settings import Settings

SITE = Path("/etc/nginx/sites-available/site.conf")
PID_FILE = Path("/run/nginx.pid")
_DOWN = re.compile(r"server unix:(\S+) [^;]*\bdown;")
TAKE_OVER = 30.0  # seconds until new workers serve; they start within one


def drain(settings: Settings, drained: Set[str]) -> None:
    """Send new requests to every socket but those of `drained`; return when that holds."""
    if templates.render_file(SITE, settings, drained):
        reload()


def drained() -> set[str]:
    """The sockets that get no new requests: one is being renewed, or a reload failed on it."""
    return set(_DOWN.findall(SITE.read_text() if SITE.is_file() else ""))


def reload() -> None:
    """Reload nginx and wait until its former workers take no new request."""
    former = _serving()
    check = subprocess.run(["nginx", "-t", "-q"], capture_output=True, text=True, check=False)
    if check.returncode:
        raise LaurelError(f"nginx refuses its configuration: {check.stderr.strip()}")
    subprocess.run(["systemctl", "reload", "nginx.service"], check=True)
    deadline = time.monotonic() + TAKE_OVER
    while former & _serving():
        if time.monotonic() > deadline:
            raise LaurelError(f"nginx did not take up its configuration in {TAKE_OVER:.0f} s")
        time.sleep(0.1)


def _serving() -> set[int]:
    """The workers that take new connections: a worker that ends says so in its title."""
    if not PID_FILE.is_file():
        return set()
    master = int(PID_FILE.read_text())
    found = set()
    for children in Path(f"/proc/{master}/task").glob("*/children"):
        for pid in children.read_text().split():
            try:
                title = Path(f"/proc/{pid}/cmdline").read_text()
            except OSError:  # it has just ended
                continue
            if title and "shutting down" not in title:
                found.add(int(pid))
    return found
