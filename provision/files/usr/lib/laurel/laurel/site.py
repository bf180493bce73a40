"""Commands of the site, such as its manage.py, run as its user with its settings."""

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

MIGRATED = Path("/run/laurel/migrated")  # what the release command last ran for, in this boot
MIGRATE_LOCK = Path("/run/laurel/migrate.lock")
MIGRATE_ATTEMPTS = 5  # of a command that fails although the database answers
MIGRATE_PAUSE = 5.0  # seconds; about as long as a database on the same machine takes to start
DATABASE_SECONDS = 600.0  # a cloud may create the database together with its machines

# Exit codes of production/laurel_migrate.py.
UNREACHABLE = 75
NO_ADMINISTRATOR = 65

_LAYERS = """
import importlib, json, os
settings = importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
layers = getattr(settings, "CHANNEL_LAYERS", {})
print(json.dumps({f"CHANNEL_LAYERS[{k!r}]": v.get("BACKEND", "") for k, v in layers.items()}))
"""


def as_site() -> list[str]:
    """What to put before a command that runs code of the site's packages: root must not."""
    return ["runuser", "-u", "site", "--"] if os.geteuid() == 0 else []


def command(*arguments: str) -> list[str]:
    """The command line that runs `arguments` as the site's user with its settings."""
    return [*as_site(), "/usr/lib/laurel/exec-site", "env", "-C", f"{CURRENT}/django", *arguments]


def python(*arguments: str, extra: dict[str, str] | None = None) -> int:
    """Run the site's Python, with `extra` environment variables; return its exit code."""
    line = command(f"{CURRENT}/venv/bin/python", *arguments)
    return subprocess.run(line, env={**os.environ, **(extra or {})}, check=False).returncode


def outdated() -> bool:
    """Whether the release command must run: for a new release, new settings or a new boot."""
    return not MIGRATED.is_file() or MIGRATED.read_text() != _state()


def _state() -> str:
    """What the release command depends on."""
    settings = hashlib.sha256(ENVIRONMENT.read_bytes()).hexdigest()
    return f"{CURRENT.resolve().name} {settings}\n"


def release(settings: Settings) -> int:
    """Run the release command in the Procfile's folder, and make the first administrator.

    Returns the exit code of production/laurel_migrate.py.
    """
    return python(
        *("-m", "laurel_migrate", procfile.folder(settings), settings.get("RELEASE_COMMAND")),
        extra=settings.administrator,
    )


def migrate(settings: Settings, say: Callable[[str], None]) -> None:
    """Run the release command, and repeat it if it fails: the database may still be starting.

    Raises LaurelError if it fails each time, or if the first administrator can't be made.
    """
    with lock.exclusive(MIGRATE_LOCK, "laurel migrate"):
        state = _state()
        deadline = time.monotonic() + DATABASE_SECONDS
        attempt = 1
        while (code := release(settings)) not in (0, NO_ADMINISTRATOR):
            if code == UNREACHABLE and time.monotonic() < deadline:
                say("waiting for the database")
            else:
                say(f"migration failed, attempt {attempt} of {MIGRATE_ATTEMPTS}")
                attempt += 1
                if attempt > MIGRATE_ATTEMPTS:
                    raise LaurelError(
                        "the database was not migrated: the output above says why."
                        " Correct the cause, then run `laurel reload`"
                    )
            time.sleep(MIGRATE_PAUSE)
        MIGRATED.write_text(state)
        if code == NO_ADMINISTRATOR:
            raise LaurelError("the first administrator was not made: the output above says why")


def check_layer(settings: Settings) -> None:
    """Raise LaurelError if a channel layer of the project loses messages between processes.

    Also if the project's settings can't be read.
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
