"""Sample paths for the patterns of a URL configuration."""

import re
from dataclasses import dataclass

_UUID = "00000000-0000-4000-8000-000000000000"
# Django's own converters; only running the project would say what another one accepts.
_CONVERTERS = {
    **dict.fromkeys(("", "str", "slug", "path"), "laurel"),
    **{"int": "1", "uuid": _UUID},
}
_PARAMETER = re.compile(r"<(?:([^<>:]+):)?[^<>:]+>")

# Of regular expressions: a group without groups inside, and a repeated class of characters.
_GROUP = re.compile(r"\((?:\?P<\w+>|\?:)?([^()]*)\)([?*]?)")
_CLASS = re.compile(r"(?:\\[dwDWS]|\[\^?[^\]]+\]|\.(?=[+*{]))(?:\{(\d+)(?:,\d*)?\}|[+*]\??)?")
_DEEPEST = 3  # groups inside each other


@dataclass(frozen=True)
class Sample:
    """A path that matches a pattern; `exact` is false if a part of it stands for a parameter."""

    text: str
    exact: bool


def of_path(route: str) -> Sample | None:
    """A sample for the route of path(); None if a converter is the project's own."""
    converters = _PARAMETER.findall(route)
    if not all(name in _CONVERTERS for name in converters):
        return None
    text = _PARAMETER.sub(lambda found: _CONVERTERS[found[1] or ""], route)
    return Sample(text, not converters)


def of_regex(pattern: str) -> Sample | None:
    """A sample for the pattern of re_path(); None for a pattern of an uncommon shape."""
    text = re.sub(r"^\^|(?:\$|\\Z)$|/\?", "", pattern)
    sampled = text
    for _ in range(_DEEPEST):
        sampled = _GROUP.sub(lambda found: "" if found[2] else found[1].split("|")[0], sampled)
    sampled = _CLASS.sub(_characters, sampled)
    path = re.sub(r"\\(\W)", r"\1", sampled)
    try:
        matches = re.search(pattern, path)
    except re.error:
        return None
    return Sample(path, sampled == text) if matches else None


def _characters(found: re.Match[str]) -> str:
    """Characters that the repeated class matches; the class itself if none of ours do."""
    count = int(found[1] or 1)
    samples = ("laurel", "1", _UUID, *(letter * count for letter in "1aA"))
    return next((one for one in samples if re.fullmatch(found[0], one)), found[0])
