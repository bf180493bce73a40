"""What no two instances share: the secret key and the machine-id.

An instance is what cloud-init's instance-id names. A disk that boots as another instance than
before (an image that was made of an instance) gets an identity of its own and keeps its data;
cloud-init does the same for SSH's host keys and the host name.
"""

import re
import secrets
import uuid
from pathlib import Path

from laurel import env_file, files
from laurel.settings import SITE_ENV

INSTANCE_ID = Path("/var/lib/cloud/data/instance-id")
KNOWN_AS = Path("/etc/laurel/instance-id")  # the instance that this identity is of
MACHINE_ID = Path("/etc/machine-id")

HEADER = """\
# Settings of this machine, KEY=VALUE: PROCESSES, SITE_HOSTS, DATABASE_URL, REDIS_URL, ...
# After a change: sudo laurel reload
"""
_MADE = "# Made here, for instance {instance}: another instance makes its own.\n"
_MADE_HERE = re.compile(
    r"^# Made here, for instance (.*): another.*\n(SECRET_KEY=.*(?:\n|\Z))?", re.M
)


def ensure(group: int) -> list[str]:
    """Make what this instance lacks; return a line for each thing that was made anew.

    `group` is the numeric id of the group that may read the secret. Can be cut anywhere and run
    again: the instance is noted last.
    """
    instance = _read(INSTANCE_ID) or "none"
    before = _read(KNOWN_AS)
    _ensure_secret_key(instance, group)
    if before == instance:
        return []
    told = []
    if before:
        # machine-id(5): the form of a random UUID. systemd asks for it once, when it starts.
        files.write(MACHINE_ID, f"{uuid.uuid4().hex}\n", 0o444)
        told.append(
            f"this disk was instance {before} and is {instance} now: it has a secret key and a"
            " machine-id of its own; the next boot takes up the machine-id"
        )
    files.write(KNOWN_AS, f"{instance}\n")
    return told


def new_secret_key() -> str:
    """A key for Django: 50 characters, as `startproject` makes, of about 300 bits."""
    return secrets.token_urlsafe(38)[:50]


def _ensure_secret_key(instance: str, group: int) -> None:
    # What is no UTF-8 stays as it is; it is told where the settings are read.
    text = SITE_ENV.read_text(errors="surrogateescape") if SITE_ENV.exists() else HEADER
    text = _MADE_HERE.sub(lambda made: made[0] if made[1] == instance else "", text)
    given = env_file.parse(text.encode(errors="surrogateescape"), str(SITE_ENV))
    if not {**given.values, **given.exported}.get("SECRET_KEY"):
        end = "" if text.endswith("\n") or not text else "\n"
        text += f"{end}{_MADE.format(instance=instance)}SECRET_KEY={new_secret_key()}\n"
    files.write(SITE_ENV, text, 0o640, group)


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""
