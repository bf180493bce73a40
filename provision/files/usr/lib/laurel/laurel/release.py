"""What this machine was made of: /etc/laurel/release.json."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from laurel import files, settings
from laurel.paths import CURRENT
from laurel.site import as_site

RELEASE = Path("/etc/laurel/release.json")
PACKAGES = ("nginx", "redis-server", "python3")

_DISTRIBUTIONS = """
import importlib.metadata, json
print(json.dumps({d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}))
"""


def describe() -> dict[str, Any]:
    """The versions on this machine, and the revisions of Laurel (`source`) and the project."""
    release = platform.freedesktop_os_release()
    debian = Path("/etc/debian_version")
    point_release = debian.read_text().strip() if debian.exists() else ""
    manager = settings.load().get("PROCESS_MANAGER")  # also the name of its package
    python_packages = _output(*as_site(), f"{CURRENT}/venv/bin/python", "-c", _DISTRIBUTIONS)
    return {
        "os": {
            "id": release["ID"],
            # On Ubuntu, /etc/debian_version has a text such as trixie/sid.
            "version": point_release if point_release[:1].isdecimal() else release["VERSION_ID"],
        },
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "packages": {
            name: _output("dpkg-query", "-W", "-f", "${Version}", name)
            for name in (*PACKAGES, manager)
        },
        "python_packages": dict(sorted(json.loads(python_packages).items())),
        "release": CURRENT.resolve().name,
        "source": {
            "revision": os.environ.get("SOURCE_REVISION", ""),
            "dirty": os.environ.get("SOURCE_DIRTY", "") == "yes",
        },
        "project": {
            "revision": os.environ.get("PROJECT_REVISION", ""),
            "dirty": os.environ.get("PROJECT_DIRTY", "yes") == "yes",
        },
    }


def write() -> None:
    """Write the description with the current time, if anything in it has changed."""
    now = describe()
    if RELEASE.exists():
        before = json.loads(RELEASE.read_text())
        before.pop("built", None)
        # Only the host knows the revision; the same release was made from the same one.
        if "PROJECT_REVISION" not in os.environ and before["release"] == now["release"]:
            now["project"] = before.get("project", now["project"])
        if before == now:
            return
    now["built"] = datetime.now(UTC).isoformat(timespec="seconds")
    files.write(RELEASE, json.dumps(now, indent=2) + "\n")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
