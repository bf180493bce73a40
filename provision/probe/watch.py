"""Watches the project while it loads: the variables it reads, the lines that set its settings."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any, NamedTuple

from probe.paths import place_of


class Missing(NamedTuple):
    """A variable that is not set.

    `place` is the line of the project that needs it; `direct`, whether that line reads it itself.
    """

    name: str
    place: str
    direct: bool


missing: list[Missing] = []
# The place that last gave each setting its value.
assigned: dict[str, str] = {}
# The places that set DJANGO_SETTINGS_MODULE whatever it was, and the value.
overruled: list[tuple[str, str]] = []
_values: dict[str, tuple[int, ...]] = {}


def start() -> None:
    """Watch os.environ, and the project's modules while they are imported."""
    environ: Any = type(os.environ)
    read, write = environ.__getitem__, environ.__setitem__

    def getitem(self: Any, key: str) -> str:
        try:
            return str(read(self, key))
        except KeyError:
            missing.append(Missing(key, *_here()))
            raise

    def setitem(self: Any, key: str, value: str) -> None:
        if key == "DJANGO_SETTINGS_MODULE" and value != "laurel_production":
            overruled.append((_here()[0], value))
        write(self, key, value)

    environ.__getitem__, environ.__setitem__ = getitem, setitem
    sys.settrace(_follow)


def _here() -> tuple[str, bool]:
    """The line of the project that runs, and whether it alone calls `os`. "" for Laurel's code."""
    frame: FrameType | None = sys._getframe(2)
    direct = True
    while frame:
        file = frame.f_code.co_filename
        place = place_of(file, frame.f_lineno)
        if place or file.endswith("laurel_production.py"):
            return place, direct
        direct = direct and (file.endswith("/os.py") or file.startswith("<frozen"))
        frame = frame.f_back
    return "", False


def _follow(frame: FrameType, _event: str, _argument: Any) -> Any:
    """Follow the lines of the project's modules, outside functions and classes."""
    if frame.f_code.co_name != "<module>" or not place_of(frame.f_code.co_filename, 1):
        return None
    last = frame.f_lineno

    def line(frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal last
        for name, value in list(frame.f_globals.items()):
            if name.isupper() and _values.get(name) != _identity(value):
                _values[name] = _identity(value)
                assigned[name] = place_of(frame.f_code.co_filename, last)
        last = frame.f_lineno
        return line

    return line


def _identity(value: Any) -> tuple[int, ...]:
    """What changes when a setting gets another value, or its list or dictionary another part."""
    parts = value.values() if isinstance(value, dict) else value
    return (id(value), *map(id, parts)) if isinstance(value, (dict, list)) else (id(value),)
