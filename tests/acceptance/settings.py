"""The settings of a machine under proof: as they were given for it, and as it has them."""

import re
from collections.abc import Iterable, Mapping

from machine import Host

BUILD_ENV = "/etc/laurel/build.env"
SITE_ENV = "/etc/laurel/site.env"

# Those that say what serves, as an image has them that was baked before they were there.
DEFAULTS = {
    "ASGI_SERVER": "daphne",
    "HTTP_SERVER": "same",
    "ASGI_PATHS": "",
    "ASGI_HOSTS": "",
    "PROCESS_MANAGER": "supervisor",
    "CHANNEL_LAYER": "project",
    "BIND_ADDRESS": "127.0.0.1",
    "BIND_PORT": "8000",
    "PROCESSES": "auto",
}
# What the bake has fixed: no user-data change it.
BAKED = ("PROCESS_MANAGER",)
# Servers whose processes share a TCP socket as well, each beside its own.
SHARING = ("daphne", "hypercorn")


def given(texts: Iterable[str]) -> dict[str, str]:
    """What NAME=VALUE `texts` say. Raises ValueError for one that is no such thing."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError(f"{text!r} is not NAME=VALUE")
        found[name] = value
    return found


def site_lines(settings: Mapping[str, str]) -> str:
    """The lines of a machine's site.env that set them, but for those that the bake has fixed."""
    return "".join(f"{name}={value}\n" for name, value in settings.items() if name not in BAKED)


def settings_of(machine: Host) -> dict[str, str]:
    """What the machine is set to, by name: as it was baked, unless its site.env says otherwise."""
    baked = {**DEFAULTS, **_lines(machine.succeed(f"cat {BUILD_ENV}"))}
    site = _lines(machine.succeed(f"test ! -e {SITE_ENV} || cat {SITE_ENV}"))
    return {
        name: value if name in BAKED else site.get(name, value) for name, value in baked.items()
    }


def _lines(text: str) -> dict[str, str]:
    """The NAME=VALUE lines of `text`."""
    found = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*?)\r?$", text, re.MULTILINE)
    return {name: re.sub(r"^(['\"])(.*)\1$", r"\2", value) for name, value in found}


def shared_socket(settings: Mapping[str, str]) -> tuple[str, int] | None:
    """Address and port of the TCP socket that all processes share, if their server can."""
    if settings["ASGI_SERVER"] not in SHARING:
        return None
    return settings["BIND_ADDRESS"], int(settings["BIND_PORT"])
