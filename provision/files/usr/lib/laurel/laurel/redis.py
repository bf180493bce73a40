"""Whether this machine's own Redis runs: it does unless REDIS_URL names another."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from laurel.settings import Settings

# A condition of redis-server.service: see its drop-in.
ELSEWHERE = Path("/run/laurel/redis-elsewhere")
SERVICE = "redis-server.service"


def is_here(settings: Settings) -> bool:
    """Whether the site's Redis is this machine's own."""
    parts = urlsplit(settings.environment["REDIS_URL"])  # `settings.load` lets no other text in
    if parts.scheme == "redis+sentinel":
        return False
    return parts.scheme == "unix" or parts.hostname in ("127.0.0.1", "localhost", "::1")


def note(settings: Settings) -> None:
    """Say to systemd whether the service is to start."""
    ELSEWHERE.parent.mkdir(parents=True, exist_ok=True)
    if is_here(settings):
        ELSEWHERE.unlink(missing_ok=True)
    else:
        ELSEWHERE.touch()


def start() -> None:
    """Start the service, if it is to run; where it runs, nothing happens."""
    if not ELSEWHERE.exists():
        subprocess.run(["systemctl", "start", SERVICE], check=True)


def stop() -> None:
    """Stop the service, if it is not to run."""
    if ELSEWHERE.exists():
        subprocess.run(["systemctl", "stop", SERVICE], check=True)
