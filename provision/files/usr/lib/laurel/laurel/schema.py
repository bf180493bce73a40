"""Laurel's settings as settings.toml states them: names, defaults, forms."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laurel import forms

FILE = Path(__file__).resolve().parent.parent / "settings.toml"
# The first administrator: Django's own names for what `createsuperuser --noinput` reads.
ADMINISTRATOR = "DJANGO_SUPERUSER_"


@dataclass(frozen=True)
class Setting:
    """One setting: see the head of settings.toml for what each field means."""

    name: str
    group: str
    default: str
    scope: str
    text: str
    check: str = ""
    pattern: str = ""
    choices: tuple[str, ...] = ()
    many: bool = False
    secret: bool = False

    def problem(self, value: str) -> str:
        """Why `value` (for a list: one word of it) cannot be used; "" if it can."""
        if not value and not self.default:
            return ""
        if self.choices:
            return "" if value in self.choices else f"not one of {', '.join(self.choices)}"
        if self.pattern:
            return "" if re.fullmatch(self.pattern, value) else f"not of the form {self.pattern}"
        try:
            getattr(forms, self.check)(value)
        except ValueError as error:
            return str(error)
        return ""

    def problems(self, value: str) -> list[tuple[str, str]]:
        """Each part of `value` that cannot be used, and why."""
        parts = words(value) if self.many else [value]
        return [(part, reason) for part in parts if (reason := self.problem(part))]

    def shown(self, value: str) -> str:
        """NAME=value as a message shows it."""
        return self.name if self.secret else f"{self.name}={value}"


def words(value: str) -> list[str]:
    """The parts of a list, which commas or blanks separate."""
    return value.replace(",", " ").split()


def _read() -> tuple[dict[str, Setting], dict[str, str]]:
    tables: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    reserved: dict[str, str] = tables.pop("reserved")
    found = {}
    for group, entries in tables.items():
        for name, entry in entries.items():
            choices = tuple(entry.pop("choices", ()))
            found[name] = Setting(name=name, group=group, choices=choices, **entry)
    return found, reserved


SETTINGS: Mapping[str, Setting]
# Names that `export` lines must not set, and why; also every name that begins with LAUREL_.
RESERVED: Mapping[str, str]
SETTINGS, RESERVED = _read()
# What a machine keeps from its bake, in /etc/laurel/build.env.
BAKED = tuple(name for name, one in SETTINGS.items() if one.group not in ("host", "machine"))


def reserved(name: str) -> str:
    """Why an `export` line must not set `name`; "" if it may."""
    if name.startswith("LAUREL_"):
        return "names that begin with LAUREL_ are Laurel's own"
    return RESERVED.get(name, "")
