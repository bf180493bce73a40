"""The secret key and the machine-id, which no two instances share.

cloud-init's instance-id names an instance. A disk that boots as a different instance (an image was
made from an instance) gets a new identity and keeps its data. cloud-init does the same for SSH host
keys and the host name.
"""

import re
import secrets
import uuid
from pathlib import Path

from laurel import env_file, files
from laurel.settings import SITE_ENV

INSTANCE_ID = Path("/var/lib/cloud/data/instance-id")
KNOWN_AS = Path("/etc/laurel/instance-id")  # the instance that this identity belongs to
# What cloud-init calls an instance whose cloud does not answer. The machine is still the same one.
NO_DATASOURCE = "iid-datasource-none"
MACHINE_ID = Path("/etc/machine-id")

HEADER = """\
# Settings of this machine, KEY=VALUE: PROCESSES, SITE_HOSTS, DATABASE_URL, REDIS_URL, ...
# After a change: sudo laurel reload
"""
_MADE = "# Made here, for instance {instance}: another instance makes its own.\n"
_MADE_HERE = re.compile(
    r"^# Made here, for instance (.*): another.*\n(SECRET_KEY=.*(?:\n|\Z))?", re.M
)


def ensure(group: int) -> str:
    """Make what this instance lacks; return a message if its identity is new, else "".

    `group` is the numeric id of the group that may read the secret key. An interrupted run is
    completed by the next one, because the instance is recorded last.
    """
    before = _read(KNOWN_AS)
    instance = _read(INSTANCE_ID) or "none"
    if instance == NO_DATASOURCE and before:
        instance = before
    _ensure_secret_key(instance, group)
    if before == instance:
        return ""
    if before:
        # machine-id(5): the form of a random UUID. systemd reads it once, when it starts.
        files.write(MACHINE_ID, f"{uuid.uuid4().hex}\n", 0o444)
    files.write(KNOWN_AS, f"{instance}\n")
    return before and (
        f"this disk was instance {before} and is {instance} now: it has a new secret key and a new"
        " machine-id; the machine-id takes effect at the next boot"
    )


def new_secret_key() -> str:
    """A key for Django: 50 characters, as `startproject` makes, of about 300 bits."""
    return secrets.token_urlsafe(38)[:50]


def _ensure_secret_key(instance: str, group: int) -> None:
    # Bytes that are not UTF-8 stay as they are; loading the settings reports them.
    text = SITE_ENV.read_text(errors="surrogateescape") if SITE_ENV.exists() else HEADER
    text = _MADE_HERE.sub(lambda made: made[0] if made[1] == instance else "", text)
    given = env_file.parse(text.encode(errors="surrogateescape"), str(SITE_ENV))
    if not {**given.values, **given.exported}.get("SECRET_KEY"):
        end = "" if text.endswith("\n") or not text else "\n"
        text += f"{end}{_MADE.format(instance=instance)}SECRET_KEY={new_secret_key()}\n"
    files.write(SITE_ENV, text, 0o640, group)


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""
