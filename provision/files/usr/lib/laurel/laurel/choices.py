"""Settings that do not go together, and settings that this machine cannot follow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from laurel import servers


@dataclass(frozen=True)
class Conflict:
    """A setting that cannot have its value beside the others: why, and which value it can have."""

    name: str
    reason: str
    instead: str


def conflicts(values: Mapping[str, str]) -> Iterator[Conflict]:
    """Each setting of `values` that contradicts another. A bake refuses it.."""
    http = values["HTTP_SERVER"]
    memory = values["CHANNEL_LAYER"] == "memory"
    if http != "same" and not values["WSGI_APPLICATION"]:
        yield Conflict(
            "HTTP_SERVER",
            "the project has no WSGI application (WSGI_APPLICATION=module:name)",
            "same",
        )
    elif http != "same" and memory:
        yield Conflict(
            "HTTP_SERVER", "with CHANNEL_LAYER=memory its processes reach no websocket", "same"
        )
    if memory and values["PROCESSES"] != "1":
        yield Conflict(
            "PROCESSES",
            "CHANNEL_LAYER=memory loses messages between processes; set PROCESSES=1 or another"
            " layer",
            "1",
        )
    if values["MEDIA_URL"] and values["MEDIA_URL"] == values["STATIC_URL"]:
        yield Conflict("MEDIA_URL", "STATIC_URL is the same path", "")


def warnings(values: Mapping[str, str]) -> Iterator[str]:
    """What is allowed and probably a mistake."""
    if values["TLS_IN_FRONT"] == "yes" and not values["TRUSTED_PROXIES"]:
        yield (
            "TLS_IN_FRONT=yes without TRUSTED_PROXIES: nobody is believed to speak HTTPS, so a"
            " project that redirects to HTTPS redirects for ever; set TRUSTED_PROXIES to the load"
            " balancer's addresses"
        )


def not_installed(name: str, value: str) -> str:
    """Why the live release's environment cannot follow the setting; "" if it can."""
    if name in ("ASGI_SERVER", "HTTP_SERVER") and value != "same":
        missing = "" if servers.read(value).installed() else value
    elif name == "CHANNEL_LAYER" and value in ("pubsub", "core"):
        missing = "" if servers.has("channels-redis") else "channels-redis"
    else:
        missing = ""
    if not missing:
        return ""
    return (
        f"{missing} is not installed in the site's virtualenv: bake with this setting, or add it to"
        " the project's requirements"
    )
