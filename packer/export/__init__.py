"""The proved image in the form that each cloud demands: one file a format.

A format is added by its file, and by its line in `FORMATS`.
"""

from collections.abc import Sequence

from export.box import Box
from export.format import Disk, ExportError, Format, Source
from export.gce import Gce
from export.ova import Ova
from export.raw import Raw
from export.vhd import Vhd
from export.vmdk import Vmdk

__all__ = ["FORMATS", "Disk", "ExportError", "Format", "Source", "chosen", "named"]

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
IMAGE = "qcow2"  # what the image is already


def named(names: Sequence[str]) -> list[Format]:
    """The formats that `names` say, all where there is none; a name may stand for several."""
    return [kind for kind in FORMATS if not names or kind.name in names]


def chosen(names: Sequence[str]) -> list[Format]:
    """The formats that `names` say, see `named`.

    Raises ExportError for a name that is not known.
    """
    known = [*dict.fromkeys(kind.name for kind in FORMATS), IMAGE]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ExportError(f"FORMATS={' '.join(unknown)} is not known; known: {', '.join(known)}")
    return named(names)
