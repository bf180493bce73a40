"""What this machine was made of: /etc/laurel/release.json."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from laurel import files, settings

RELEASE = Path("/etc/laurel/release.json")
PACKAGES = ("nginx", "redis-server", "python3")

_DISTRIBUTIONS = """
import importlib.metadata, json
print(json.dumps({d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}))
"""


def describe() -> dict[str, Any]:
    """The versions on this machine, and the source that it was provisioned from."""
    release = platform.freedesktop_os_release()
    manager = settings.load().get("PROCESS_MANAGER")  # each is a package of its name
    python_packages = subprocess.run(
        ["/srv/site/current/venv/bin/python", "-c", _DISTRIBUTIONS],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {
        "os": {"id": release["ID"], "version": _debian_version() or release["VERSION_ID"]},
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "packages": {name: _package_version(name) for name in (*PACKAGES, manager)},
        "python_packages": dict(sorted(json.loads(python_packages).items())),
        "release": Path("/srv/site/current").resolve().name,
        "source": {
            "revision": os.environ.get("SOURCE_REVISION", ""),
            "dirty": os.environ.get("SOURCE_DIRTY", "") == "yes",
        },
    }


def write() -> None:
    """Write the description with the time of its making, if anything else in it changed."""
    now = describe()
    if RELEASE.exists():
        before = json.loads(RELEASE.read_text())
        before.pop("built", None)
        if before == now:
            return
    now["built"] = datetime.now(UTC).isoformat(timespec="seconds")
    files.write(RELEASE, json.dumps(now, indent=2) + "\n")


def _debian_version() -> str:
    path = Path("/etc/debian_version")
    text = path.read_text().strip() if path.exists() else ""
    return text if text[:1].isdecimal() else ""


def _package_version(name: str) -> str:
    return subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=True
    ).stdout
