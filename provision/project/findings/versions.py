"""Version specifiers, as requirements and Poetry write them."""

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

_PATCHES = 100  # more than any minor release of Python has


def specifiers(text: str) -> SpecifierSet:
    """The specifiers in `text` (">=3.10,<4"). Text that is not understood allows every version."""
    try:
        return SpecifierSet(text.replace("===", "=="))
    except InvalidSpecifier:
        return SpecifierSet()


def allows_from(allowed: SpecifierSet, first: str) -> bool:
    """Whether `allowed` has a version that is `first` or later."""
    # A range that reaches above `first` contains one of its own bounds, a version just above a
    # bound, or a version above all.
    bounds = [first, *(one.version.removesuffix(".*") for one in allowed)]
    above = [f"{Version(bound).base_version}.0.0.1" for bound in bounds]
    return any(
        Version(version) >= Version(first) and allowed.contains(version, prereleases=True)
        for version in (*bounds, *above, "9999")
    )


def runs_on(wanted: str, python: str) -> bool:
    """Whether a project that wants Python `wanted` (">=3.10", Poetry's "^3.11") runs on `python`.

    `python` has no patch number: one patch release that suits is enough.
    """
    return any(
        specifiers(_pep_440(part)).contains(f"{python}.{patch}")
        for part in re.split(r"\|\|?", wanted)
        for patch in range(_PATCHES)
    )


def _pep_440(text: str) -> str:
    """Poetry's caret, tilde, separating blanks and bare version as PEP 440 writes them."""
    text = re.sub(r"(\^|~(?!=))\s*(\d+(?:\.\d+)*)", _range, text.strip())
    text = re.sub(r"(?<=[\d*])\s+(?=[<>=!~])", ",", text)
    return f"=={text}" if text[:1].isdigit() else text


def _range(found: re.Match[str]) -> str:
    numbers = found[2].split(".")
    kept = 1 if found[1] == "^" else min(2, len(numbers))
    end = ".".join([*numbers[: kept - 1], str(int(numbers[kept - 1]) + 1)])
    return f">={found[2]},<{end}"
