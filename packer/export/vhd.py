"""Azure: a fixed VHD, which is the disk and a footer of 512 bytes.

From: Azure's "Prepare Linux for imaging" (fixed, whole MiB) and the API's UploadSizeBytes (20 MiB
at least); the footer is that of Microsoft's Virtual Hard Disk Image Format Specification.
"""

import struct
from pathlib import Path
from typing import ClassVar

from export.format import MIB, Disk, ExportError, Format, Source, convert, demand, write_raw

# qemu-img's own habit is to round the size to cylinders, which no whole MiB is.
OPTIONS = "subformat=fixed,force_size=on"
SMALLEST = 20 * MIB
FIXED = 2  # the type of a disk
FOOTER = 512  # bytes
# Cookie; features, version, data offset; time; creator, its version and system; original and
# current size; cylinders, heads, sectors; type, checksum; identity; saved state. Zeros follow.
FIELDS = struct.Struct(">8s IIQ I 4sI4s QQ HBB II 16s B")
TIME, SIZE, TYPE, CHECKSUM, IDENTITY = 4, 9, 13, 14, 15


class Vhd(Format):
    """A fixed VHD, sparse on this host."""

    name: ClassVar[str] = "vhd"
    suffix = ".vhd"

    def make(self, source: Source, target: Path) -> None:
        raw = write_raw(source, source.folder("vhd") / "disk.raw", MIB)
        convert(raw, Disk(target, "vpc"), source.log, OPTIONS)
        raw.path.unlink()
        _name_content(target, bytes.fromhex(source.digest)[:16])

    def check(self, file: Path) -> None:
        footer = _footer(file)
        fields = FIELDS.unpack_from(footer)
        demand(fields[CHECKSUM] == _checksum(footer), file, "its footer has another checksum")
        demand(fields[TYPE] == FIXED, file, f"is of type {fields[TYPE]}, not fixed")
        size = fields[SIZE]
        demand(size % MIB == 0, file, f"its size is {size} bytes, which is no whole MiB")
        demand(size >= SMALLEST, file, f"is smaller than {SMALLEST // MIB} MiB")
        there = file.stat().st_size
        demand(there == size + FOOTER, file, f"has {there} bytes, not {size} and a footer")

    def disk_of(self, file: Path, folder: Path) -> Disk:  # noqa: ARG002 - it is the disk itself
        return Disk(file, "vpc")


def _footer(file: Path) -> bytes:
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - FOOTER))
        footer = content.read()
    if len(footer) != FOOTER or not footer.startswith(b"conectix"):
        raise ExportError(f"{file}: does not end with the footer of a VHD")
    return footer


def _checksum(footer: bytes) -> int:
    """The complement of the sum of its bytes, without those of the checksum itself."""
    fields = list(FIELDS.unpack_from(footer))
    fields[CHECKSUM] = 0
    return ~sum(FIELDS.pack(*fields) + footer[FIELDS.size :]) & 0xFFFFFFFF


def _name_content(vhd: Path, identity: bytes) -> None:
    """Set the disk's identity, 16 bytes, and no time: qemu-img makes both anew each time."""
    footer = _footer(vhd)
    fields = list(FIELDS.unpack_from(footer))
    fields[TIME], fields[IDENTITY] = 0, identity
    footer = FIELDS.pack(*fields) + footer[FIELDS.size :]
    fields[CHECKSUM] = _checksum(footer)
    with vhd.open("r+b") as file:
        file.seek(-FOOTER, 2)
        file.write(FIELDS.pack(*fields))
