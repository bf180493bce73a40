"""`python -m laurel_migrate FOLDER COMMAND`: the release command, once for all instances.

Several instances of one image boot at once against one database: each runs COMMAND (shell text)
in FOLDER while it alone holds a lock of that database. PostgreSQL and MySQL have one; a file of
SQLite is this machine's alone. Then the first administrator is made, if the variables of
`createsuperuser --noinput` (DJANGO_SUPERUSER_*) are given and the site has none.

The exit code is COMMAND's; UNREACHABLE if the database can't be asked for its lock;
NO_ADMINISTRATOR if COMMAND succeeded and the administrator was not made.
"""

import os
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection
from django.db.utils import InterfaceError

# Of sysexits.h: EX_TEMPFAIL, for it may be there later, and EX_DATAERR.
UNREACHABLE = 75
NO_ADMINISTRATOR = 65
NAME = "laurel_migrate"
PAUSE = 2.0  # seconds between two tries to get the lock

PREFIX = "DJANGO_SUPERUSER_"


def main(folder: str, command: str) -> int:
    """Run `command` and make the administrator; return the exit code."""
    # Not for the command, which may be anything.
    administrator = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith(PREFIX)}
    try:
        with lock():
            code = subprocess.run(["bash", "-c", command], cwd=folder, check=False).returncode
            if code == 0 and administrator and not make_administrator(administrator):
                return NO_ADMINISTRATOR
            return code
    except UnreachableError as error:
        print(f"laurel: the database can't be reached: {error}", file=sys.stderr)
        return UNREACHABLE


class UnreachableError(Exception):
    """The database did not answer; the text says why."""


@contextmanager
def lock() -> Iterator[None]:
    """Hold the database's lock, which the server gives back if this process or machine dies.

    Raises UnreachableError if the database does not answer.
    """
    tries = {
        # Its locks have numbers.
        "postgresql": ("SELECT pg_try_advisory_lock(%s)", zlib.crc32(NAME.encode())),
        "mysql": ("SELECT GET_LOCK(%s, 0)", NAME),
    }
    if connection.vendor not in tries:
        yield
        return
    query, name = tries[connection.vendor]
    waited = False
    while not _asked(query, name):
        if not waited:
            print("laurel: another instance migrates this database: waiting", flush=True)
            waited = True
        time.sleep(PAUSE)
    try:
        yield
    finally:
        connection.close()


def _asked(query: str, name: object) -> bool:
    try:
        with warnings.catch_warnings(), connection.cursor() as cursor:
            # Django's, of a query before its apps are ready: none of them is needed for this one.
            warnings.simplefilter("ignore", RuntimeWarning)
            cursor.execute(query, [name])
            (got,) = cursor.fetchone()
            return bool(got)
    except (DatabaseError, InterfaceError) as error:
        raise UnreachableError(str(error).strip()) from error


def make_administrator(given: dict[str, str]) -> bool:
    """Make the first superuser, from `given`; a site that has one keeps it as it is.

    Returns whether the site has one now; what Django refuses is printed.
    """
    import django
    from django.apps import apps

    django.setup()
    if not apps.is_installed("django.contrib.auth"):
        print("laurel: the project has no django.contrib.auth", file=sys.stderr)
        return False
    from django.contrib.auth import get_user_model
    from django.core.management import CommandError, call_command

    users: Any = get_user_model()
    name = given.get(PREFIX + users.USERNAME_FIELD.upper())
    # A user model of the project's own may have no such field.
    by_name = {users.USERNAME_FIELD: name}
    wanted = {"is_superuser": True} if hasattr(users, "is_superuser") else by_name
    if users._default_manager.filter(**wanted).exists():
        return True
    os.environ.update(given)
    try:
        call_command("createsuperuser", interactive=False, verbosity=0)
    except CommandError as error:
        print(f"laurel: {error}", file=sys.stderr)
        return False
    print(f"laurel: {name} is the site's first administrator", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
