"""Applies the settings, at every boot and every reload; starts no service."""

import grp
from pathlib import Path

from laurel import cloud, disk, files, identity, redis, settings
from laurel.settings import Settings

ENVIRONMENT = Path("/run/laurel/environment")


def configure() -> Settings:
    """Make this instance's identity and write the environment of the site's processes.

    It may be interrupted at any point and run again.
    """
    site_group = grp.getgrnam("site").gr_gid
    new_identity = identity.ensure(site_group)
    no_address = cloud.ask()  # before the settings are loaded: their hosts include its answer
    for message in (new_identity, no_address):
        if message:
            print(f"laurel: {message}", flush=True)
    disk.keep_reserve()
    current = settings.load()
    redis.note(current)
    lines = [f"{key}={value}\n" for key, value in sorted(current.environment.items())]
    files.write(ENVIRONMENT, "".join(lines), 0o640, site_group)
    return current
