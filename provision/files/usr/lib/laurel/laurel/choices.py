"""Settings that contradict each other, and settings that this machine cannot apply."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from laurel import layer, servers


@dataclass(frozen=True)
class Conflict:
    """A setting whose value contradicts the others: the reason, and the value to use instead."""

    name: str
    reason: str
    instead: str


def conflicts(values: Mapping[str, str]) -> Iterator[Conflict]:
    """Each setting of `values` that contradicts another. A bake refuses it."""
    if values["HTTP_SERVER"] != "same" and not values["WSGI_APPLICATION"]:
        yield Conflict(
            "HTTP_SERVER",
            "the project has no WSGI application (WSGI_APPLICATION=module:name)",
            "same",
        )
    chosen = {"CHANNEL_LAYER": values["CHANNEL_LAYER"]}
    for name, instead in (("PROCESSES", "1"), ("HTTP_SERVER", "same")):
        reason = layer.refusal(chosen, values["PROCESSES"], values["HTTP_SERVER"])
        if reason and values[name] != instead:
            yield Conflict(name, reason, instead)
    if values["MEDIA_URL"] and values["MEDIA_URL"] == values["STATIC_URL"]:
        yield Conflict("MEDIA_URL", "STATIC_URL is the same path", "")


def tls_in_front(values: Mapping[str, str]) -> bool:
    """Whether a load balancer speaks TLS and nginx trusts its X-Forwarded-Proto.

    Without that trust, each redirect to HTTPS would lead to another one.
    """
    return values["TLS_IN_FRONT"] == "yes" and bool(values["TRUSTED_PROXIES"])


def warnings(values: Mapping[str, str]) -> Iterator[str]:
    """Messages about settings that are allowed but probably a mistake."""
    if values["TLS_IN_FRONT"] == "yes" and not tls_in_front(values):
        yield (
            "TLS_IN_FRONT=yes has no effect without TRUSTED_PROXIES: set it to the load balancer's"
            " addresses. Until then redirects to HTTPS, secure cookies and HSTS are off, because a"
            " redirect would never end"
        )


def not_installed(name: str, value: str) -> str:
    """Why the live release's virtualenv is not enough for the setting; "" if it is."""
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
