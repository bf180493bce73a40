"""For VMware: a descriptor, its manifest and a streamOptimized VMDK in one tar file.

Source: DMTF's Open Virtualization Format Specification, DSP0243 1.1.0: the descriptor comes first,
then the manifest, then the descriptor's files in their order; the tar file is USTAR.
"""

import hashlib
import re
from pathlib import Path
from typing import ClassVar

import sources
import tar

from export.format import Disk, Format, Source, extract
from export.vmdk import Vmdk, vmdk_of_image

TEMPLATE = Path(__file__).with_name("ova.ovf")
# A system's number in CIM, VMware's name, and its own. Debian 10 is the newest Debian that ESXi 6.5
# knows, and VMware offers it both devices.
DEBIAN = "96", "debian10_64Guest", "Debian GNU/Linux (64-bit)"
UBUNTU = "94", "ubuntu64Guest", "Ubuntu Linux (64-bit)"


class Ova(Format):
    """An appliance."""

    name: ClassVar[str] = "ova"
    suffix = ".ova"

    def make(self, source: Source, target: Path) -> None:
        # In the descriptor, file names are URIs.
        name = re.sub(r"[^A-Za-z0-9._-]", "-", source.image.stem)
        disk = vmdk_of_image(source)
        number, kind, system = UBUNTU if "ubuntu" in name else DEBIAN
        descriptor = TEMPLATE.read_text()
        for field, value in {
            "@SYSTEM_ID@": number,
            "@SYSTEM_TYPE@": kind,
            "@SYSTEM@": system,
            "@NAME@": name,
            "@SIZE@": str(disk.stat().st_size),
            "@CAPACITY@": str(source.disk.size),
        }.items():
            descriptor = descriptor.replace(field, value)
        ovf, vmdk = f"{name}.ovf", f"{name}-disk1.vmdk"
        content = descriptor.encode()
        manifest = (
            f"SHA256({ovf})= {hashlib.sha256(content).hexdigest()}\n"
            f"SHA256({vmdk})= {sources.file_digest(disk)}\n"
        )
        tar.write(target, {ovf: content, f"{name}.mf": manifest.encode(), vmdk: disk})

    def unpack(self, file: Path, folder: Path) -> Disk:
        return Vmdk().unpack(folder / extract(file, folder)[-1], folder)
