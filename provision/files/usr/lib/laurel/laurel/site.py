"""Commands of the site: its manage.py and its Python, as its user, with its settings."""

import json
import os
import subprocess
import time
from collections.abc import Callable

from laurel.errors import LaurelError
from laurel.settings import Settings

CURRENT = "/srv/site/current"
MIGRATE_ATTEMPTS = 5
MIGRATE_PAUSE = 5.0  # seconds; a database that starts with the machine takes as long

_LAYERS = """
import importlib, json, os
settings = importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
layers = getattr(settings, "CHANNEL_LAYERS", {})
print(json.dumps({name: layer.get("BACKEND", "") for name, layer in layers.items()}))
"""


def command(*arguments: str) -> list[str]:
    """The command line that runs `arguments` with the site's user and settings."""
    as_site = ["runuser", "-u", "site", "--"] if os.geteuid() == 0 else []
    return [*as_site, "/usr/lib/laurel/exec-site", "env", "-C", f"{CURRENT}/app", *arguments]


def manage(arguments: list[str]) -> int:
    """Run manage.py; return its exit code."""
    return subprocess.run(
        command(f"{CURRENT}/venv/bin/python", "manage.py", *arguments), check=False
    ).returncode


def migrate(say: Callable[[str], None]) -> None:
    """Bring the database to the release's state. Raises LaurelError if it can't be."""
    for attempt in range(1, MIGRATE_ATTEMPTS + 1):
        if manage(["migrate", "--noinput", "--verbosity", "1"]) == 0:
            return
        say(f"migration failed, attempt {attempt} of {MIGRATE_ATTEMPTS}")
        if attempt < MIGRATE_ATTEMPTS:
            time.sleep(MIGRATE_PAUSE)
    raise LaurelError("the database was not migrated: the output above says why")


def check_layer(settings: Settings) -> None:
    """Refuse a layer in memory for several processes: each would hear only its own clients.

    Raises LaurelError; a project without channel layers is let be.
    """
    shown = subprocess.run(
        command(f"{CURRENT}/venv/bin/python", "-c", _LAYERS),
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode:
        raise LaurelError(f"the project's settings can't be read:\n{shown.stderr.strip()}")
    refuse_memory_layer(json.loads(shown.stdout.splitlines()[-1]), settings.get("PROCESSES"))


def refuse_memory_layer(layers: dict[str, str], processes: str) -> None:
    """Raise LaurelError if a layer of `layers` (name to class) can't serve `processes`."""
    for name, backend in layers.items():
        if backend.endswith("InMemoryChannelLayer") and processes != "1":
            raise LaurelError(
                f"CHANNEL_LAYERS[{name!r}] is {backend}, which loses messages between processes,"
                f" and PROCESSES={processes}: use channels_redis in the project's settings,"
                " or set PROCESSES=1"
            )
