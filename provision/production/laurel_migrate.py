"""`python -m laurel_migrate FOLDER COMMAND`: run the release command, one instance at a time.

Several instances of one image may boot at once with one database. Each runs COMMAND (shell text) in
FOLDER while it holds a lock of that database, on PostgreSQL and MySQL; an SQLite file belongs to
one machine and needs no lock. Then, if the variables of `createsuperuser --noinput`
(DJANGO_SUPERUSER_*) are set and the site has no superuser, this makes the first one.

The exit code is COMMAND's; UNREACHABLE if the database does not answer; NO_ADMINISTRATOR if
COMMAND succeeded and the superuser could not be made.
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

# From sysexits.h: EX_TEMPFAIL, as the database may answer later, and EX_DATAERR.
UNREACHABLE = 75
NO_ADMINISTRATOR = 65
LOCK_NAME = "laurel_migrate"
LOCKS: dict[str, tuple[str, object]] = {
    # PostgreSQL names an advisory lock by a number.
    "postgresql": ("SELECT pg_try_advisory_lock(%s)", zlib.crc32(LOCK_NAME.encode())),
    "mysql": ("SELECT GET_LOCK(%s, 0)", LOCK_NAME),
}
PAUSE = 2.0  # seconds between two attempts to get the lock

PREFIX = "DJANGO_SUPERUSER_"


def main(folder: str, command: str) -> int:
    """Run `command`, make the first superuser, and return the exit code."""
    # The command, which may be any program, does not need the password.
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
    """The database did not answer."""


@contextmanager
def lock() -> Iterator[None]:
    """Hold the database's lock; the server releases it if this process or machine dies.

    Raises UnreachableError if the database does not answer.
    """
    if connection.vendor not in LOCKS:
        yield
        return
    waited = False
    while not _got_lock(*LOCKS[connection.vendor]):
        if not waited:
            print("laurel: waiting: another instance migrates this database", flush=True)
            waited = True
        time.sleep(PAUSE)
    try:
        yield
    finally:
        connection.close()


def _got_lock(query: str, name: object) -> bool:
    try:
        with warnings.catch_warnings(), connection.cursor() as cursor:
            # Django warns of queries before django.setup(), which this query does not need.
            warnings.simplefilter("ignore", RuntimeWarning)
            cursor.execute(query, [name])
            return bool(cursor.fetchone()[0])
    except (DatabaseError, InterfaceError) as error:
        raise UnreachableError(str(error).strip()) from error


def make_administrator(given: dict[str, str]) -> bool:
    """Make the first superuser from the variables in `given`, unless the site has one.

    Returns whether the site has one now, and prints the reason if Django refuses.
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
    # A custom user model may have no is_superuser.
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
