"""Templates of configuration files: @NAME@ stands for a value."""

import re
from collections.abc import Set
from pathlib import Path

from laurel import files, port, procfile
from laurel.errors import LaurelError
from laurel.process import Group, groups
from laurel.settings import Settings

TEMPLATES = Path("/usr/share/laurel/templates")

_PLACEHOLDER = re.compile(r"@([A-Z][A-Z0-9_]*)@")
# What each manager writes for a process's number, and the file descriptor of the shared socket.
_GIVEN = {"supervisor": ("%(process_num)d", 0), "systemd": ("%i", 3)}
_IF = re.compile(r"\s*@if (not )?([A-Z][A-Z0-9_]*)@")


def render(text: str, settings: Settings, drained: Set[str] = frozenset()) -> str:
    """`text` with its placeholders filled in; `drained` are sockets that get no new requests.

    A value of several lines keeps the indent of its placeholder. What stands between `@if NAME@`
    and `@end@` is there where NAME has a value, `@if not NAME@` where it has none. Raises
    LaurelError for a placeholder that nothing fills.
    """
    computed = _computed(settings, drained)

    def value(name: str) -> str:
        return computed[name] if name in computed else settings.get(name)

    def fill(line: str) -> list[str]:
        alone = _PLACEHOLDER.fullmatch(line.strip())
        if alone and alone[1] in computed:
            indent = line[: len(line) - len(line.lstrip())]
            return [indent + part for part in computed[alone[1]].splitlines()]
        return [_PLACEHOLDER.sub(lambda m: value(m[1]), line)]

    kept: list[str] = []
    wanted = True
    for line in text.splitlines():
        if condition := _IF.fullmatch(line):
            wanted = bool(value(condition[2])) != bool(condition[1])
        elif line.strip() == "@end@":
            wanted = True
        elif wanted:
            kept += fill(line)
    return "\n".join(kept) + "\n"


def _computed(settings: Settings, drained: Set[str]) -> dict[str, str]:
    """What is no setting by itself."""
    asgi, *others = groups(settings)
    shared = port.address(settings)
    names = [*settings.words("SITE_HOSTS"), *settings.words("ASGI_HOSTS")]
    given = _GIVEN[settings.get("PROCESS_MANAGER")]
    return {
        "PROCESSES": str(settings.processes),
        "SHARED_SOCKET": f"{shared[0]}:{shared[1]}" if shared else "",
        "ASGI_COMMAND": asgi.server.command_line(*given, settings.get("ASGI_APPLICATION")),
        "UPSTREAM_SERVERS": _upstream(asgi, settings, drained),
        "HTTP_COMMAND": others[0].server.command_line(*given, "") if others else "",
        "HTTP_UPSTREAM_SERVERS": _upstream(others[0], settings, drained) if others else "",
        "ASGI_PATHS_MAP": "\n".join(
            f'"~^{re.escape(path)}" asgi;' for path in settings.words("ASGI_PATHS")
        ),
        "ASGI_HOSTS_MAP": "\n".join(
            f'"~*^{_host_pattern(name)}$" asgi;' for name in settings.words("ASGI_HOSTS")
        ),
        "SERVER_NAMES": " ".join([*dict.fromkeys(names), "_"]),
        "PROCFILE_PROGRAMS": procfile.programs(settings),
        "PROCFILE_FOLDER": procfile.folder(settings),
        "TRUSTED_PROXIES_REAL_IP": "\n".join(
            f"set_real_ip_from {address};" for address in settings.words("TRUSTED_PROXIES")
        ),
        "TRUSTED_PROXIES_GEO": "\n".join(
            f"{address} 1;" for address in settings.words("TRUSTED_PROXIES")
        ),
    }


def _host_pattern(name: str) -> str:
    """The regular expression of a name, and of all below it where it begins with a dot."""
    # A table of names would refuse one that is there twice, or is long, and nginx then starts not.
    below = r"(.+\.)?" if name.startswith(".") else ""
    return below + re.escape(name.removeprefix("."))


def _upstream(group: Group, settings: Settings, drained: Set[str]) -> str:
    """nginx's lines for the processes of `group`."""
    sockets = [group.socket(number) for number in range(settings.processes)]
    return "\n".join(
        f"server unix:{socket} max_fails=0{' down' if socket in drained else ''};"
        for socket in sockets
    )


def render_file(target: Path, settings: Settings, drained: Set[str] = frozenset()) -> bool:
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
