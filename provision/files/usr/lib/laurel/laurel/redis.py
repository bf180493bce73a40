"""This machine's own Redis, which runs unless REDIS_URL names another one."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from laurel.settings import Settings

# If this file exists, the service does not start: its drop-in has the condition.
ELSEWHERE = Path("/run/laurel/redis-elsewhere")
SERVICE = "redis-server.service"


def is_here(settings: Settings) -> bool:
    """Whether the site uses this machine's own Redis."""
    parts = urlsplit(settings.environment["REDIS_URL"])  # `settings.load` has validated it
    if parts.scheme == "redis+sentinel":
        return False
    return parts.scheme == "unix" or parts.hostname in ("127.0.0.1", "localhost", "::1")


def note(settings: Settings) -> None:
    """Record for systemd whether the service must start."""
    ELSEWHERE.parent.mkdir(parents=True, exist_ok=True)
    if is_here(settings):
        ELSEWHERE.unlink(missing_ok=True)
    else:
        ELSEWHERE.touch()


def start() -> None:
    """Start the service if the site needs it."""
    if not ELSEWHERE.exists():
        subprocess.run(["systemctl", "start", SERVICE], check=True)


def stop() -> None:
    """Stop the service if the site does not need it."""
    if ELSEWHERE.exists():
        subprocess.run(["systemctl", "stop", SERVICE], check=True)
