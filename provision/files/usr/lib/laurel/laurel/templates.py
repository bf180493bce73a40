"""Configuration files, rendered from the Jinja2 templates that provisioning left on the machine."""

import re
from collections.abc import Set
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError

from laurel import capacity, files, forms, nginx, port, procfile
from laurel.errors import LaurelError
from laurel.process import groups
from laurel.settings import Settings

TEMPLATES = Path("/usr/share/laurel/templates")

# How each manager writes the number of a process, and which file descriptor the shared socket gets.
_NUMBER_AND_DESCRIPTOR = {"supervisor": ("%(process_num)d", 0), "systemd": ("%i", 3)}


def _host_pattern(name: str) -> str:
    """A regular expression for a host, and for its subdomains where it begins with a dot."""
    # No plain name, because nginx refuses a `map` with duplicates or long names.
    subdomains = r"(.+\.)?" if name.startswith(".") else ""
    return subdomains + re.escape(name.removeprefix("."))


def _double_percent(value: str) -> str:
    """`value` with each `%` doubled: supervisor and systemd expand a single one."""
    return value.replace("%", "%%")


_ENVIRONMENT = Environment(
    autoescape=False,  # noqa: S701 # these are not HTML
    keep_trailing_newline=True,
    lstrip_blocks=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)
_ENVIRONMENT.filters |= {
    "double_percent": _double_percent,
    "host_pattern": _host_pattern,
    "path_pattern": re.escape,
}


def render(text: str, settings: Settings, drained: Set[str] = frozenset()) -> str:
    """Render the template `text`; the sockets `drained` get no new requests.

    A template sees each setting under its own name, in capitals, and what is computed from the
    settings in small letters. Raises LaurelError for an unknown name.
    """
    try:
        return _ENVIRONMENT.from_string(text).render(_values(settings), drained=drained)
    except TemplateError as error:
        raise LaurelError(f"{error}: provision this machine again") from None


def _values(settings: Settings) -> dict[str, Any]:
    asgi, *others = groups(settings)
    http = others[0] if others else None
    shared = port.address(settings)
    given = _NUMBER_AND_DESCRIPTOR[settings.get("PROCESS_MANAGER")]
    message = forms.bytes_of(settings.get("WEBSOCKET_MESSAGE"))
    asgi_hosts = settings.words("ASGI_HOSTS")
    return {
        **settings.values,
        "processes": settings.processes,
        "connections": capacity.connections(settings.values),
        "uploads": capacity.uploads(settings.values),
        "process_memory": capacity.process_memory(settings.values),
        "redis_memory": capacity.redis_memory(),
        "shared_socket": f"{shared[0]}:{shared[1]}" if shared else "",
        "asgi_command": asgi.server.command_line(*given, message),
        "asgi_sockets": asgi.sockets,
        "http_command": http.server.command_line(*given, message) if http else "",
        "http_sockets": http.sockets if http else [],
        "asgi_paths": settings.words("ASGI_PATHS"),
        "asgi_hosts": asgi_hosts,
        "server_names": [*dict.fromkeys([*settings.words("SITE_HOSTS"), *asgi_hosts]), "_"],
        "trusted_proxies": settings.words("TRUSTED_PROXIES"),
        "procfile_names": procfile.names(settings),
        "procfile_folder": procfile.folder(settings),
    }


def render_file(target: Path, settings: Settings, drained: Set[str] = frozenset()) -> bool:
    """Render the template of `target`, an absolute path, to `target`; return whether it changed.

    Raises LaurelError, with `target` as it was, if the template fails or nginx refuses the result.
    """
    template = TEMPLATES / target.relative_to("/")
    if not template.is_file():
        raise LaurelError(f"{target} has no template: {template} is missing")
    try:
        text = render(template.read_text(), settings, drained)
    except LaurelError as error:
        raise LaurelError(f"{template}: {error}") from None
    return files.write(target, text, check=nginx.check if target == nginx.SITE else None)


def render_all(settings: Settings) -> list[Path]:
    """Render every template; return the files that changed.

    Raises LaurelError if nginx refuses its file. No other file has changed then: all of them name
    the same sockets.
    """
    targets = [
        Path("/") / template.relative_to(TEMPLATES)
        for template in TEMPLATES.rglob("*")
        if template.is_file()
    ]
    nginx_first = sorted(targets, key=lambda target: (target != nginx.SITE, target))
    return [target for target in nginx_first if render_file(target, settings)]
