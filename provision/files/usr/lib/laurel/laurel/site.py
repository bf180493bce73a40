"""Commands of the site: its manage.py and its Python, as its user, with its settings."""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from laurel import layer, lock, procfile
from laurel.configure import ENVIRONMENT
from laurel.errors import LaurelError
from laurel.paths import CURRENT
from laurel.settings import Settings

MIGRATED = Path("/run/laurel/migrated")  # by this boot
MIGRATE_LOCK = Path("/run/laurel/migrate.lock")
MIGRATE_ATTEMPTS = 5
MIGRATE_PAUSE = 5.0  # seconds; a database that starts with the machine takes as long
DATABASE_SECONDS = 600.0  # for one that is made together with its machines, as clouds do

# Exit codes of production/laurel_migrate.py.
UNREACHABLE = 75
NO_ADMINISTRATOR = 65

_LAYERS = """
import importlib, json, os
settings = importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
layers = getattr(settings, "CHANNEL_LAYERS", {})
print(json.dumps({f"CHANNEL_LAYERS[{k!r}]": v.get("BACKEND", "") for k, v in layers.items()}))
"""


def command(*arguments: str) -> list[str]:
    """The command line that runs `arguments` with the site's user and settings."""
    as_site = ["runuser", "-u", "site", "--"] if os.geteuid() == 0 else []
    return [*as_site, "/usr/lib/laurel/exec-site", "env", "-C", f"{CURRENT}/django", *arguments]


def outdated() -> bool:
    """Whether the release command has not run since the boot, for this release and settings."""
    return not MIGRATED.is_file() or MIGRATED.read_text() != _state()


def _state() -> str:
    """What the release command depends on."""
    settings = hashlib.sha256(ENVIRONMENT.read_bytes()).hexdigest()
    return f"{CURRENT.resolve().name} {settings}\n"


def release(settings: Settings) -> int:
    """Run the project's release command where its Procfile is, and make the first administrator.

    Returns the exit code of production/laurel_migrate.py.
    """
    return subprocess.run(
        command(
            *(f"{CURRENT}/venv/bin/python", "-m", "laurel_migrate"),
            *(procfile.folder(settings), settings.get("RELEASE_COMMAND")),
        ),
        env={**os.environ, **settings.administrator},
        check=False,
    ).returncode


def overrides() -> int:
    """Print which of the project's settings are others here, and why; return the exit code."""
    return subprocess.run(
        command(f"{CURRENT}/venv/bin/python", "-m", "laurel_production"), check=False
    ).returncode


def manage(arguments: list[str]) -> int:
    """Run manage.py; return its exit code."""
    return subprocess.run(
        command(f"{CURRENT}/venv/bin/python", "manage.py", *arguments), check=False
    ).returncode


def migrate(settings: Settings, say: Callable[[str], None]) -> None:
    """Bring the database to the release's state; a database that is not there yet is waited for.

    Raises LaurelError if it can't be, or if the first administrator can't be made.
    """
    with lock.alone(MIGRATE_LOCK, "laurel migrate"):
        state = _state()
        deadline = time.monotonic() + DATABASE_SECONDS
        attempt = 1
        while (code := release(settings)) not in (0, NO_ADMINISTRATOR):
            if code == UNREACHABLE and time.monotonic() < deadline:
                say("the database is waited for")
            else:
                say(f"migration failed, attempt {attempt} of {MIGRATE_ATTEMPTS}")
                attempt += 1
                if attempt > MIGRATE_ATTEMPTS:
                    raise LaurelError(
                        "the database was not migrated: the output above says why."
                        " Then run `laurel reload`"
                    )
            time.sleep(MIGRATE_PAUSE)
        MIGRATED.write_text(state)
        if code == NO_ADMINISTRATOR:
            raise LaurelError("the first administrator was not made: the output above says why")


def check_layer(settings: Settings) -> None:
    """Refuse channel layers, of the project's settings, that lose messages between processes.

    Raises LaurelError, also if the project's settings can't be read.
    """
    shown = subprocess.run(
        command(f"{CURRENT}/venv/bin/python", "-c", _LAYERS),
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode:
        raise LaurelError(f"the project's settings can't be read:\n{shown.stderr.strip()}")
    # The last line: the settings module may print, too.
    backends = json.loads(shown.stdout.splitlines()[-1])
    refusal = layer.refusal(backends, settings.get("PROCESSES"), settings.get("HTTP_SERVER"))
    if refusal:
        raise LaurelError(refusal)
