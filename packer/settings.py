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


def of_system(var_file: Path) -> dict[str, str]:
    """The strings of a file of packer/os/."""
    return dict(_HCL_STRING.findall(var_file.read_text()))
