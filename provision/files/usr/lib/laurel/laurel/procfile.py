"""The processes that the project names beside its site."""

import re

from laurel.paths import CURRENT
from laurel.settings import Settings

_PROGRAM = """\
[program:{name}]
command=/usr/lib/laurel/exec-site /usr/lib/laurel/exec-process {name}
directory={folder}
user=site
autostart=true
autorestart=true
startretries=1000000
stopasgroup=true
killasgroup=true
stdout_logfile=/var/log/site/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
redirect_stderr=true
"""


def folder(settings: Settings) -> str:
    """Where its commands run: beside it; where manage.py is, without one."""
    name = settings.get("PROCFILE")
    return str((CURRENT / "app" / name).parent if name else CURRENT / "django")


def programs(settings: Settings) -> str:
    """Supervisor's configuration of them."""
    return "\n".join(
        _PROGRAM.format(name=name, folder=folder(settings)) for name in names(settings)
    )


def names(settings: Settings) -> list[str]:
    """Those that are kept running, in their order."""
    name = settings.get("PROCFILE")
    file = CURRENT / "app" / name
    if not name or not file.is_file():
        return []
    text = file.read_text(encoding="utf-8-sig")  # editors of Windows begin it with a mark
    found = re.findall(r"^[ \t]*([A-Za-z0-9_-]+):", text, re.MULTILINE)
    return [process for process in found if process not in ("web", "release")]
