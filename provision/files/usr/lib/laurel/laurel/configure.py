"""What every boot works out before the site's services start; it starts none of them."""

import grp
from pathlib import Path

from laurel import cloud, files, identity, redis, settings, templates
from laurel.settings import Settings

ENVIRONMENT = Path("/run/laurel/environment")


def configure(render: bool = True) -> tuple[Settings, list[Path]]:
    """Make this instance's identity, and render every file unless `render` says not to.

    Returns the settings and the files that changed. Can be cut anywhere and run again.
    """
    site_group = grp.getgrnam("site").gr_gid
    for told in identity.ensure(site_group):
        print(f"laurel: {told}", flush=True)
    if told_nothing := cloud.ask():  # of the settings' hosts
        print(f"laurel: {told_nothing}", flush=True)
    current = settings.load()
    redis.note(current)
    lines = [f"{key}={value}\n" for key, value in sorted(current.environment.items())]
    changed = []
    # First: without it no process starts, whatever becomes of the others.
    if files.write(ENVIRONMENT, "".join(lines), 0o640, site_group):
        changed.append(ENVIRONMENT)
    if render:
        changed += templates.render_all(current)
    return current, changed
