"""What every boot works out before the site's services start; it starts none of them."""

import grp
from pathlib import Path

from laurel import files, settings, templates
from laurel.settings import SITE_ENV, Settings

ENVIRONMENT = Path("/run/laurel/environment")

SITE_ENV_HEADER = """\
# Settings of this machine, KEY=VALUE: PROCESSES, SITE_HOSTS, DATABASE_URL, REDIS_URL, ...
# After a change: sudo laurel reload
"""


def configure(render: bool = True) -> tuple[Settings, list[Path]]:
    """Make the secret if there is none, and render every file unless `render` says not to.

    Returns the settings and the files that changed. Can be cut anywhere and run again.
    """
    site_group = grp.getgrnam("site").gr_gid
    _ensure_secret_key(site_group)
    current = settings.load()
    lines = [f"{key}={value}\n" for key, value in sorted(current.environment.items())]
    changed = templates.render_all(current) if render else []
    if files.write(ENVIRONMENT, "".join(lines), 0o640, site_group):
        changed.append(ENVIRONMENT)
    return current, changed


def _ensure_secret_key(site_group: int) -> None:
    text = SITE_ENV.read_text() if SITE_ENV.exists() else SITE_ENV_HEADER
    if not settings.parse(SITE_ENV, []).get("SECRET_KEY"):
        if text and not text.endswith("\n"):
            text += "\n"
        text += f"SECRET_KEY={settings.new_secret_key()}\n"
    files.write(SITE_ENV, text, 0o640, site_group)
