"""What a project's laurel.env gives the project itself."""

import re
from pathlib import Path


def exports(root: Path) -> dict[str, str]:
    """The `export NAME=value` lines of the laurel.env at `root`; none without that file."""
    file = root / "laurel.env"
    if not file.is_file():
        return {}
    return dict(re.findall(r"^export (\w+)=(.*)$", file.read_text(), re.MULTILINE))
