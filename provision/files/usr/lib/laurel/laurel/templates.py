"""Templates of configuration files: @NAME@ stands for a value."""

import re
from collections.abc import Set
from pathlib import Path

from laurel import files, procfile
from laurel.errors import LaurelError
from laurel.settings import Settings

TEMPLATES = Path("/usr/share/laurel/templates")

# A page that a visitor has uploaded is shown with no script of its own: it is on the site's origin.
_MEDIA = """\
location MEDIA_URL {
    alias /var/lib/site/media/;
    add_header X-Content-Type-Options nosniff;
    add_header Content-Security-Policy "default-src 'none'; style-src 'unsafe-inline'; sandbox";
}
"""

_PLACEHOLDER = re.compile(r"@([A-Z][A-Z0-9_]*)@")


def render(text: str, settings: Settings, drained: Set[int] = frozenset()) -> str:
    """`text` with its placeholders filled in; `drained` are processes that get no new requests.

    A value of several lines keeps the indent of its placeholder. Raises LaurelError for a
    placeholder that nothing fills.
    """
    computed = {
        "PROCESSES": str(settings.processes),
        "UPSTREAM_SERVERS": "\n".join(
            f"server unix:{socket_path(number)} max_fails=0{' down' if number in drained else ''};"
            for number in range(settings.processes)
        ),
        "SERVER_NAMES": " ".join([*settings.words("SITE_HOSTS"), "_"]),
        "PROCFILE_PROGRAMS": procfile.programs(settings),
        "MEDIA_LOCATION": _MEDIA.replace("MEDIA_URL", url)
        if (url := settings.get("MEDIA_URL"))
        else "",
        "TRUSTED_PROXIES_REAL_IP": "\n".join(
            f"set_real_ip_from {address};" for address in settings.words("TRUSTED_PROXIES")
        ),
        "TRUSTED_PROXIES_GEO": "\n".join(
            f"{address} 1;" for address in settings.words("TRUSTED_PROXIES")
        ),
    }

    def fill(line: str) -> list[str]:
        alone = _PLACEHOLDER.fullmatch(line.strip())
        if alone and alone[1] in computed:
            indent = line[: len(line) - len(line.lstrip())]
            return [indent + part for part in computed[alone[1]].splitlines()]
        return [_PLACEHOLDER.sub(lambda m: computed.get(m[1]) or settings.get(m[1]), line)]

    return "\n".join(part for line in text.splitlines() for part in fill(line)) + "\n"


def socket_path(number: int) -> str:
    """The socket of process `number`, counted from 0."""
    return f"/run/daphne/daphne{number}.sock"


def render_file(target: Path, settings: Settings, drained: Set[int] = frozenset()) -> bool:
    """Render the template of `target`, an absolute path, in its place; say whether it changed."""
    template = TEMPLATES / target.relative_to("/")
    if not template.is_file():
        raise LaurelError(f"{target} has no template: {template} is missing")
    return files.write(target, render(template.read_text(), settings, drained))


def render_all(settings: Settings) -> list[Path]:
    """Render every template; return the files that changed."""
    targets = [
        Path("/") / template.relative_to(TEMPLATES)
        for template in sorted(TEMPLATES.rglob("*"))
        if template.is_file()
    ]
    return [target for target in targets if render_file(target, settings)]
