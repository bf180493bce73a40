"""VMware: a descriptor, its manifest and a streamOptimized VMDK in one tar file.

From: DMTF's Open Virtualization Format Specification, DSP0243 1.1.0: the descriptor comes first,
then the manifest, then what the descriptor names, in its order; the tar file is USTAR's.
"""

import io
import re
import tarfile
import xml.etree.ElementTree as ElementTree
from hashlib import file_digest
from pathlib import Path
from typing import ClassVar, cast

import sources
import tar

from export.format import Disk, ExportError, Format, Source, demand
from export.vmdk import Vmdk, of_image

TEMPLATE = Path(__file__).with_name("ova.ovf")
ENVELOPE = "{http://schemas.dmtf.org/ovf/envelope/1}"
RESOURCE = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
# What a cloud's kernel has drivers for, of what VMware has.
CONTROLLER, CARD = "VirtualSCSI", "VmxNet3"
# Each system's number in CIM, VMware's name for it, and its own. ESXi 6.5 knows no newer Debian,
# and offers this one the devices above.
DEBIAN = "96", "debian10_64Guest", "Debian GNU/Linux (64-bit)"
UBUNTU = "94", "ubuntu64Guest", "Ubuntu Linux (64-bit)"


class Ova(Format):
    """An appliance."""

    name: ClassVar[str] = "ova"
    suffix = ".ova"

    @property
    def code(self) -> list[Path]:
        return [*super().code, *Vmdk().code, TEMPLATE, Path(tar.__file__)]

    def make(self, source: Source, target: Path) -> None:
        name = source.image.stem
        disk = of_image(source)
        descriptor = TEMPLATE.read_text()
        number, kind, system = UBUNTU if "ubuntu" in name else DEBIAN
        for field, value in {
            "@SYSTEM_ID@": number,
            "@SYSTEM_TYPE@": kind,
            "@SYSTEM@": system,
            "@NAME@": name,
            "@SIZE@": str(disk.stat().st_size),
            "@CAPACITY@": str(source.disk.size),
        }.items():
            descriptor = descriptor.replace(field, value)
        folder = source.folder("ova")
        ovf, manifest = folder / f"{name}.ovf", folder / f"{name}.mf"
        ovf.write_text(descriptor)
        members = {ovf.name: ovf, f"{name}-disk1.vmdk": disk}
        manifest.write_text(
            "".join(
                f"SHA256({member})= {sources.file_digest(path)}\n"
                for member, path in members.items()
            )
        )
        first, last = members.items()
        tar.write(target, dict([first, (manifest.name, manifest), last]))

    def check(self, file: Path) -> None:
        try:
            with tarfile.open(file, "r:") as package:
                members = package.getmembers()
                suffixes = [Path(member.name).suffix for member in members]
                order = " ".join(suffixes)
                demand(order == ".ovf .mf .vmdk", file, f"holds {order}, not .ovf .mf .vmdk")
                ovf, manifest, disk = members
                told = dict(
                    re.findall(r"^SHA256\((.*)\)= (\w+)$", _text(package, manifest), re.MULTILINE)
                )
                found = {member.name: _digest(package, member) for member in (ovf, disk)}
                demand(told == found, file, "its manifest has other checksums")
                _check_descriptor(file, _text(package, ovf), disk)
        except (tarfile.TarError, ElementTree.ParseError) as error:
            raise ExportError(f"{file}: is no OVA: {error}") from None

    def disk_of(self, file: Path, folder: Path) -> Disk:
        with tarfile.open(file, "r:") as package:
            descriptor, _, packed = package.getmembers()
            root = ElementTree.fromstring(_text(package, descriptor))  # noqa: S314 - as above
        disk = Disk(tar.extract(file, packed.name, folder), "vmdk")
        Vmdk().check(disk.path)
        (told,) = (found.get(f"{ENVELOPE}capacity") for found in root.iter(f"{ENVELOPE}Disk"))
        demand(told == str(disk.size), file, f"its descriptor tells of {told} bytes of disk")
        return disk


def _open(package: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedReader:
    return cast(io.BufferedReader, package.extractfile(member))


def _text(package: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    return _open(package, member).read().decode()


def _digest(package: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    return file_digest(_open(package, member), "sha256").hexdigest()


def _check_descriptor(file: Path, text: str, disk: tarfile.TarInfo) -> None:
    """Demand that it describes `disk`, and hardware that the image has drivers for."""
    root = ElementTree.fromstring(text)  # noqa: S314 - our own, or one that we refuse
    (named,) = root.iter(f"{ENVELOPE}File")
    said = named.get(f"{ENVELOPE}href"), named.get(f"{ENVELOPE}size")
    is_it = said == (disk.name, str(disk.size))
    demand(is_it, file, f"its descriptor names {said}, not {disk.name} of {disk.size} bytes")
    hardware = [item.text for item in root.iter(f"{RESOURCE}ResourceSubType")]
    for device in (CONTROLLER, CARD):
        demand(device in hardware, file, f"has no {device}: nothing else has a driver")
