"""The settings of a bake: those of provision/settings.sh that the environment sets."""

import os
import re
from pathlib import Path

_DEFINITION = re.compile(r'^: "\$\{([A-Z_]+):=', re.MULTILINE)
_HCL_STRING = re.compile(r'^(\w+)\s*=\s*"(.*)"$', re.MULTILINE)


def names(provision: Path) -> list[str]:
    """Every setting that settings.sh in `provision` defines, in its order."""
    return _DEFINITION.findall((provision / "settings.sh").read_text())


def given(provision: Path) -> str:
    """KEY=VALUE lines of the settings that the environment sets, for settings.env."""
    return "".join(
        f"{name}={os.environ[name]}\n" for name in names(provision) if os.environ.get(name)
    )


def chosen(name: str, project: Path) -> tuple[str, str]:
    """What the first place that has the setting `name` says, and that place; else ("", "")."""
    if os.environ.get(name):
        return os.environ[name], "the environment"
    file = project / "laurel.env"
    # As an editor of Windows may save it; what is no UTF-8 is for the inspection to tell.
    text = file.read_text("utf-8-sig", errors="replace") if file.is_file() else ""
    found = re.search(rf"""^{name}=["']?([^"'\s]+)""", text, re.MULTILINE)
    return (found[1], str(file)) if found else ("", "")


def system() -> str:
    """The system to bake: a file of packer/os/."""
    return os.environ.get("OS") or "debian-13"


class SettingError(Exception):
    """Which setting was wrong, and what it may be."""


def refuse_development(project: Path) -> None:
    """Raise SettingError if `project` would be baked as a machine to develop on."""
    value, place = chosen("DEVELOPMENT", project)
    if value not in ("", "no"):
        raise SettingError(
            f"DEVELOPMENT={value} in {place}: no image is baked with it, for it shows the"
            " source to every visitor; leave it out, or develop on `make vagrant`"
        )


def var_file(folder: Path, system: str) -> Path:
    """The file of `system` in packer/os/. Raises SettingError if there is none."""
    path = folder / f"{system}.pkrvars.hcl"
    if not path.is_file():
        known = sorted(other.name.removesuffix(".pkrvars.hcl") for other in folder.iterdir())
        raise SettingError(f"OS={system} is not known; known: {', '.join(known)}")
    return path


def of_system(var_file: Path) -> dict[str, str]:
    """The strings of a file of packer/os/."""
    return dict(_HCL_STRING.findall(var_file.read_text()))
