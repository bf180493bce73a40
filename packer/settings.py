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


class SettingError(Exception):
    """Which setting was wrong, and what it may be."""


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
