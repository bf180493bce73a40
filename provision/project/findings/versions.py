"""Versions as requirements write them (PEP 440's specifiers, and Poetry's caret)."""

import re
from collections.abc import Iterator

_SPECIFIER = re.compile(r"(===?|~=|!=|<=|>=|<|>|\^|~)?\s*v?(\d[\w.]*?)(\.\*)?")


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of `version`: (4, 2, 1) of "4.2.1rc1"."""
    found = re.match(r"\d+(\.\d+)*", version.strip())
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def allows(specifiers: str, version: str) -> bool:
    """Whether `specifiers` (">=3.10,<4") allow `version`; what is not understood allows all."""
    return all(_allows(part, numbers(version)) for part in _parts(specifiers))


def end_before(specifiers: str, limit: tuple[int, ...]) -> bool:
    """Whether `specifiers` allow nothing from the version `limit` on."""
    return any(_ends_before(part, limit) for part in _parts(specifiers))


def _parts(specifiers: str) -> Iterator[str]:
    """One specifier after another; Poetry separates them by a blank too."""
    return (part.strip() for part in re.split(r",|\s+(?=[<>=!~^])", specifiers))


def _ends_before(specifier: str, limit: tuple[int, ...]) -> bool:
    found = _SPECIFIER.fullmatch(specifier)
    if not found:
        return False
    operator, bound, wildcard = found[1] or "==", numbers(found[2]), bool(found[3])
    if operator == "<":
        return _trimmed(bound) <= limit
    if operator in ("<=", "==", "===") and not wildcard:
        return _trimmed(bound) < limit
    if operator in ("~=", "^", "~"):
        kept = _kept(operator, bound)
    else:
        kept = len(bound) if operator == "==" else 0  # a wildcard's; the others have no end
    return kept > 0 and (*bound[: kept - 1], bound[kept - 1] + 1) <= limit


def _trimmed(version: tuple[int, ...]) -> tuple[int, ...]:
    """Without the zeros at the end, which tell no versions apart."""
    while version and not version[-1]:
        version = version[:-1]
    return version


def _allows(specifier: str, version: tuple[int, ...]) -> bool:
    found = _SPECIFIER.fullmatch(specifier)
    if not found:
        return True
    operator, bound, wildcard = found[1] or "==", numbers(found[2]), bool(found[3])
    width = max(len(version), len(bound))
    padded, limit = (part + (0,) * (width - len(part)) for part in (version, bound))
    if operator in ("==", "==="):
        # "3.13" is any patch of it, and may be all that is known of a version.
        known = min(len(version), len(bound))
        return version[:known] == bound[:known]
    if operator == "!=":
        return version[: len(bound)] != bound if wildcard else padded != limit
    if operator in ("~=", "^", "~"):
        kept = _kept(operator, bound)
        return padded >= limit and version[:kept] == bound[:kept]
    comparisons = {
        "<": padded < limit,
        "<=": padded <= limit,
        ">": padded > limit,
        ">=": padded >= limit,
    }
    return comparisons[operator]


def _kept(operator: str, bound: tuple[int, ...]) -> int:
    """How many leading numbers must stay as they are in `bound`."""
    if operator == "~=":
        return len(bound) - 1
    if operator == "~":
        return min(2, len(bound))
    # The caret keeps everything up to the first number that is not 0.
    return next((place for place, part in enumerate(bound, 1) if part), len(bound))
