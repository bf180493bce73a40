"""This machine's own Redis, which runs unless REDIS_URL names another one."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from laurel.settings import Settings

# If this file exists, the service does not start: its drop-in has the condition.
ELSEWHERE = Path("/run/laurel/redis-elsewhere")
SERVICE = "redis-server.service"
ANSWER_SECONDS = 5.0
NEARLY_FULL = 0.98  # of maxmemory


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


def report(settings: Settings) -> tuple[str, list[str]]:
    """One line for `laurel status`, and what is wrong with this machine's Redis."""
    url = settings.environment["REDIS_URL"]
    where = ["-s", urlsplit(url).path] if url.startswith("unix:") else ["-u", url]
    try:
        shown = subprocess.run(
            ["redis-cli", *where, "--no-auth-warning", "info", "everything"],
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", [f"Redis does not answer within {ANSWER_SECONDS:.0f} s"]
    info = dict(line.split(":", 1) for line in shown.stdout.splitlines() if ":" in line)
    if "used_memory" not in info:
        return "", [f"Redis does not answer: {(shown.stdout + shown.stderr).strip()}"]
    used, most = int(info["used_memory"]), int(info.get("maxmemory", 0))
    problems = []
    rejected = sum(
        int(info.get(f"errorstat_{kind}", "count=0").removeprefix("count="))
        for kind in ("OOM", "MISCONF")
    )
    if most and used > most * NEARLY_FULL:
        problems.append(
            f"Redis is full: {used >> 20} of {most >> 20} MiB; writes fail if nothing can expire"
        )
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        problems.append("Redis can't write its snapshot: see /var/log/redis/redis-server.log")
    line = f"{used >> 20} of {most >> 20} MiB, {rejected} writes rejected"
    if cut := int(info.get("client_output_buffer_limit_disconnections", 0)):
        line += f", {cut} slow readers cut off"
    return line, problems
