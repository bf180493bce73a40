"""The settings of the machine under test: as given for it, and as it has them."""

import re
from collections.abc import Iterable, Mapping

from laurel import servers
from laurel.schema import SETTINGS
from machine import Host

BUILD_ENV = "/etc/laurel/build.env"
SITE_ENV = "/etc/laurel/site.env"

# The settings of how the site runs; an older image may lack some.
DEFAULTS = {name: one.default for name, one in SETTINGS.items() if one.group == "run"}
BAKED = tuple(name for name, one in SETTINGS.items() if one.scope == "bake")
# Servers whose processes listen on a shared TCP socket, besides each on its own.
SHARING = tuple(name for name in servers.names("asgi") if servers.read(name).shares)


def given(texts: Iterable[str]) -> dict[str, str]:
    """Parse NAME=VALUE `texts`. Raises ValueError for anything else."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError(f"{text!r} is not NAME=VALUE")
        found[name] = value
    return found


def site_lines(settings: Mapping[str, str]) -> str:
    """The lines of site.env that set `settings`, without those that only a bake can set."""
    return "".join(f"{name}={value}\n" for name, value in settings.items() if name not in BAKED)


def settings_of(machine: Host) -> dict[str, str]:
    """The machine's settings by name: the baked values, unless its site.env overrides them."""
    baked = {**DEFAULTS, **_lines(machine.succeed(f"cat {BUILD_ENV}"))}
    site = _lines(machine.succeed(f"test ! -e {SITE_ENV} || cat {SITE_ENV}"))
    return {
        name: value if name in BAKED else site.get(name, value) for name, value in baked.items()
    }


def _lines(text: str) -> dict[str, str]:
    found = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*?)\r?$", text, re.MULTILINE)
    return {name: re.sub(r"^(['\"])(.*)\1$", r"\2", value) for name, value in found}


def shared_socket(settings: Mapping[str, str]) -> tuple[str, int] | None:
    """Address and port of the TCP socket that all processes share; None if the server can't."""
    if settings["ASGI_SERVER"] not in SHARING:
        return None
    return settings["BIND_ADDRESS"], int(settings["BIND_PORT"])
