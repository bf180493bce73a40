"""How the image of a project is named.

`python names.py` prints the path of the image: IMAGE if it is set, otherwise that of OS and APP.
"""

import hashlib
import os
import re
from pathlib import Path

import inspection
import settings

TOP = Path(__file__).resolve().parent.parent
OWN = TOP / "app"


def prefix(project: Path) -> str:
    """How the names of the project's images and reports begin; "" for Laurel's own app/.

    The folder's name, and a digest of its path, because many folders are called "backend".
    """
    folder = project.resolve()
    if folder == OWN:
        return ""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name)
    return f"{name}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:6]}-"


def image_name(project: Path, system: str) -> str:
    """The file name of the image of `project` on `system`."""
    return f"laurel-{prefix(project)}{system}-amd64.qcow2"


def image() -> Path:
    """The image that the environment chooses, relative to the top if it is Laurel's own."""
    chosen = os.environ.get("IMAGE")
    name = image_name(inspection.folder(), settings.system())
    return Path(chosen) if chosen else Path("build/image") / name


if __name__ == "__main__":
    print(image())
