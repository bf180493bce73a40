"""The settings of a bake: those of provision/settings.sh that the environment sets."""

import os
import re
from pathlib import Path

_DEFINITION = re.compile(r'^: "\$\{([A-Z_]+):=', re.MULTILINE)
_DEVELOPMENT = re.compile(r"""^DEVELOPMENT=["']?([^"'\s]*)""", re.MULTILINE)
_HCL_STRING = re.compile(r'^(\w+)\s*=\s*"(.*)"$', re.MULTILINE)


def names(provision: Path) -> list[str]:
    """Every setting that settings.sh in `provision` defines, in its order."""
    return _DEFINITION.findall((provision / "settings.sh").read_text())


def given(provision: Path) -> str:
    """KEY=VALUE lines of the settings that the environment sets, for settings.env."""
    return "".join(
        f"{name}={os.environ[name]}\n" for name in names(provision) if os.environ.get(name)
    )


def system() -> str:
    """The system to bake: a file of packer/os/."""
    return os.environ.get("OS") or "debian-13"


class SettingError(Exception):
    """Which setting was wrong, and what it may be."""


def refuse_development(project: Path) -> None:
    """Raise SettingError if `project` would be baked as a machine to develop on."""
    given = {"the environment": os.environ.get("DEVELOPMENT", "")}
    file = project / "laurel.env"
    if file.is_file():
        found = _DEVELOPMENT.search(file.read_text())
        given[str(file)] = found[1] if found else ""
    for place, value in given.items():
        if value == "no":
            return  # as on the machine, the first place that has it decides
        if value:
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
