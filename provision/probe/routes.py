"""The paths that the project serves, as Django's and Channels' routers know them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from probe.paths import place_of

DEEPEST = 8
SAMPLES = ("laurel", "1", "00000000-0000-4000-8000-000000000000", "2026-01-01", "en")
# A client changes other characters, and may merge two slashes.
PLAIN = re.compile(r"/([\w.~:@+,=-]+/)*[\w.~:@+,=-]*", re.ASCII)


def pages() -> list[dict[str, Any]]:
    """The pages of the URL configuration in its order: path, place, and whether it is exact."""
    from django.urls import get_resolver

    return list(_served(get_resolver().url_patterns, "/", True))


def websockets(application: Any) -> list[dict[str, Any]]:
    """The websocket paths below the application, in its order."""
    routed = getattr(application, "application_mapping", {}).get("websocket")
    return list(_served(_routes(routed), "/", True))


def _routes(application: Any) -> list[Any]:
    """The routes of the URLRouter that `application` is, or that it wraps."""
    for _ in range(DEEPEST):
        if hasattr(application, "routes"):
            return list(application.routes)
        wrapped = [getattr(application, name, None) for name in ("application", "inner", "app")]
        application = next((one for one in wrapped if one is not None), None)
    return []


def _served(patterns: list[Any], base: str, exact: bool) -> Iterator[dict[str, Any]]:
    for entry in patterns:
        sample = _sample(entry.pattern)
        if sample is None:
            continue
        path, certain = base + sample[0], exact and sample[1]
        below = getattr(entry, "url_patterns", None)
        if below is None:
            below = _routes(entry.callback)
        if below:
            yield from _served(below, path, certain)
        elif not hasattr(entry, "url_patterns") and PLAIN.fullmatch(path):
            view = getattr(entry.callback, "view_class", entry.callback)
            code = getattr(view, "__code__", None)
            place = place_of(code.co_filename, code.co_firstlineno) if code else ""
            yield {"path": path, "exact": certain, "place": place, "name": str(entry.name or "")}


def _sample(pattern: Any) -> tuple[str, bool] | None:
    """A path that the pattern matches, and whether it is its only one."""
    if hasattr(pattern, "_route"):  # path()
        path = str(pattern._route)
        for name, converter in pattern.converters.items():
            fits = [one for one in SAMPLES if re.fullmatch(converter.regex, one)]
            if not fits:
                return None
            path = re.sub(rf"<(?:[^<>:]+:)?{name}>", fits[0], path)
        return path, not pattern.converters
    if not hasattr(pattern, "_regex"):
        return str(pattern), True  # i18n_patterns()
    from django.utils.regex_helper import normalize

    try:
        path, parameters = normalize(str(pattern._regex))[0]
    except (IndexError, NotImplementedError, ValueError):
        return None
    for fit in SAMPLES:
        text = path % dict.fromkeys(parameters, fit)
        if pattern.regex.search(text) or str(pattern._regex) in ("", "^"):
            return text, not parameters
    return None
