"""Converts the proved image into the formats that clouds demand; each has a module.

To add a format, add its module and its line in `FORMATS`.
"""

from collections.abc import Sequence
from pathlib import Path

import sources
import vagrant_box

from export.box import Box
from export.format import Disk, ExportError, Format, Source
from export.gce import Gce
from export.ova import Ova
from export.raw import Raw
from export.vhd import Vhd
from export.vmdk import Vmdk

__all__ = ["FORMATS", "Disk", "ExportError", "Format", "Source", "chosen", "key", "named"]

# In the order in which they are made.
FORMATS: tuple[Format, ...] = (
    Raw(),
    Vmdk(),
    Vhd(),
    Gce(),
    Ova(),
    Box("libvirt"),
    Box("virtualbox"),
)
# A change of one of these files makes all exports outdated.
CODE = (Path(__file__).parent, *vagrant_box.CODE)
IMAGE = "qcow2"  # the image's own format


def key(digest: str) -> str:
    """The digest of what the exports of an image are made from; `digest` is the image's."""
    return sources.digest(CODE, digest)


def named(names: Sequence[str]) -> list[Format]:
    """The formats called `names`; all if `names` is empty."""
    return [kind for kind in FORMATS if not names or kind.name in names]


def chosen(names: Sequence[str]) -> list[Format]:
    """As `named`; raises ExportError for an unknown name."""
    known = [*dict.fromkeys(kind.name for kind in FORMATS), IMAGE]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ExportError(f"FORMATS={' '.join(unknown)} is not known; known: {', '.join(known)}")
    return named(names)
