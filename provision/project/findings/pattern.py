"""A path that a pattern of the URL configuration matches, made from the pattern."""

import importlib
import re
import string
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Python's own reading of a regex: the only one that knows all of its syntax.
_PARSER = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

# Django's own converters; what another one accepts, only its code would tell.
_UUID = "00000000-0000-4000-8000-000000000000"
_CONVERTERS = {"": "laurel", "str": "laurel", "slug": "laurel", "path": "laurel"}
_CONVERTERS |= {"int": "1", "uuid": _UUID}

# What a repeated class of characters becomes, the first that it accepts.
_WORDS = ("laurel", "1", _UUID)
_CHARACTERS = "1" + string.ascii_letters + string.digits + "-_.~"
_CATEGORIES = {
    **{"CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D"},
    **{"CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S"},
    **{"CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W"},
}


@dataclass(frozen=True)
class Sample:
    """A text that matches a pattern; `exact` is false where a part of it stands for a parameter."""

    text: str
    exact: bool


def of_path(route: str) -> Sample | None:
    """A sample of path()'s route; None where a converter is the project's own."""
    converters = re.findall(r"<(?:([^<>:]+):)?[^<>:]+>", route)
    if not all(name in _CONVERTERS for name in converters):
        return None
    text = re.sub(r"<(?:([^<>:]+):)?[^<>:]+>", lambda found: _CONVERTERS[found[1] or ""], route)
    return Sample(text, not converters)


def of_regex(pattern: str) -> Sample | None:
    """A sample of re_path()'s pattern; None where none is found that matches."""
    try:
        parts = list(_parts(_PARSER.parse(pattern)))
    except re.error:
        return None
    text = "".join(part.text for part in parts)
    if not re.search(pattern, text):
        return None
    return Sample(text, all(part.exact for part in parts))


def _parts(parsed: Any) -> Iterator[Sample]:
    """Texts that match `parsed` one after the other; what is unknown is left out of them."""
    for item in parsed:
        operation, value = item
        match str(operation):
            case "LITERAL":
                yield Sample(chr(value), True)
            case "AT":
                continue
            case "ANY":
                # Mostly the dot of a file's name that nobody escaped.
                yield Sample(".", False)
            case "IN" | "NOT_LITERAL":
                accepted = (one for one in _CHARACTERS if _accepts(item, one))
                yield Sample(next(accepted, ""), False)
            case "SUBPATTERN":
                yield from _parts(value[-1])
            case "BRANCH":
                yield Sample("".join(part.text for part in _parts(value[1][0])), False)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                yield from _repeated(*value)
            case _:
                yield Sample("", False)


def _repeated(least: int, most: int, parsed: Any) -> Iterator[Sample]:
    if (least, most) == (0, 1):
        return
    if len(parsed) == 1 and str(parsed[0][0]) in ("ANY", "IN", "NOT_LITERAL"):
        for word in _WORDS:
            if least <= len(word) <= most and all(_accepts(parsed[0], one) for one in word):
                yield Sample(word, False)
                return
    for part in list(_parts(parsed)) * max(least, 1):
        yield Sample(part.text, part.exact and least == most)


def _accepts(item: Any, character: str) -> bool:
    """Whether `item`, which is for one character as the parser gives it, matches `character`."""
    operation, value = item
    match str(operation):
        case "ANY":
            return True
        case "LITERAL":
            return character == chr(value)
        case "NOT_LITERAL":
            return character != chr(value)
        case "RANGE":
            return chr(value[0]) <= character <= chr(value[1])
        case "CATEGORY":
            return re.match(_CATEGORIES[str(value)], character) is not None
        case "IN" if str(value[0][0]) == "NEGATE":
            return not any(_accepts(one, character) for one in value[1:])
        case "IN":
            return any(_accepts(one, character) for one in value)
    return False
