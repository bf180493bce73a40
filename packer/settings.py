"""The settings of a bake, and of a system.

`python packer/settings.py` prints those that the environment sets, as KEY=VALUE lines.
"""

import os
import re
from pathlib import Path

from laurel import env_file
from laurel.schema import BAKED, SETTINGS
from project import given as project_given

_HCL_STRING = re.compile(r'^(\w+)\s*=\s*"(.*)"$', re.MULTILINE)


class SettingError(Exception):
    """Which setting was wrong, and what it may be."""


def given() -> str:
    """KEY=VALUE lines of the settings that the environment sets, for settings.env."""
    return env_file.text({name: os.environ.get(name, "") for name in BAKED})


def system() -> str:
    """The system to bake: a file of packer/os/."""
    return os.environ.get("OS") or SETTINGS["OS"].default


def refuse_development(project: Path) -> None:
    """Raise SettingError if `project` would be baked as a machine to develop on."""
    settings = project_given.read(project, os.environ)
    if settings.values.get("DEVELOPMENT", "no") != "no":
        raise SettingError(
            f"{settings.places['DEVELOPMENT']}: DEVELOPMENT=yes: no image is baked with it, because"
            " it shows the source to every visitor; leave it out, or develop on `make vagrant`"
        )


def base_image() -> tuple[str, str]:
    """BASE_IMAGE and BASE_CHECKSUM. Raises SettingError for an unprotected download."""
    image = os.environ.get("BASE_IMAGE", "")
    checksum = os.environ.get("BASE_CHECKSUM", "")
    if checksum == "none":  # Packer's word for it
        checksum = ""
    if image.lower().startswith("http://") and not checksum:
        raise SettingError(f"BASE_IMAGE={image}: give BASE_CHECKSUM=sha256:..., or use https://")
    return image, checksum


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


if __name__ == "__main__":
    print(given(), end="")
