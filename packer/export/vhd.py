"""For Azure: a fixed VHD, which is the disk and a footer of 512 bytes.

Sources: Azure's "Prepare Linux for imaging" (fixed, whole MiB); the API's UploadSizeBytes (at least
20 MiB); Microsoft's Virtual Hard Disk Image Format Specification (the footer).
"""

from pathlib import Path
from typing import ClassVar

from export.format import MIB, Disk, ExportError, Format, Source, convert, demand, write_raw

# Without force_size, qemu-img rounds the size to cylinders, which are not whole MiB.
OPTIONS = "subformat=fixed,force_size=on"
SMALLEST = 20 * MIB
FIXED = 2  # the disk type
FOOTER = 512  # bytes
# Big-endian fields of the footer.
TIME, SIZE, TYPE = slice(24, 28), slice(48, 56), slice(60, 64)
CHECKSUM, IDENTITY = slice(64, 68), slice(68, 84)


class Vhd(Format):
    """A fixed VHD, sparse on this host."""

    name: ClassVar[str] = "vhd"
    suffix = ".vhd"

    def make(self, source: Source, target: Path) -> None:
        raw = write_raw(source, source.work / "vhd.raw", MIB)
        convert(raw, Disk(target, "vpc"), source.log, OPTIONS)
        raw.path.unlink()
        _set_identity(target, bytes.fromhex(source.digest)[:16])

    def unpack(self, file: Path, folder: Path) -> Disk:  # noqa: ARG002 - nothing to unpack
        footer = _footer(file)
        checksum, kind, size = (
            int.from_bytes(footer[field], "big") for field in (CHECKSUM, TYPE, SIZE)
        )
        demand(checksum == _checksum(footer), file, "the checksum of its footer is wrong")
        demand(kind == FIXED, file, f"is of type {kind}, not fixed")
        demand(size % MIB == 0, file, f"its size, {size} bytes, is not a whole number of MiB")
        demand(size >= SMALLEST, file, f"is smaller than {SMALLEST // MIB} MiB")
        length = file.stat().st_size
        demand(length == size + FOOTER, file, f"has {length} bytes, not {size} and a footer")
        return Disk(file, "vpc")


def _footer(file: Path) -> bytes:
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - FOOTER))
        footer = content.read()
    if len(footer) != FOOTER or not footer.startswith(b"conectix"):
        raise ExportError(f"{file}: does not end with the footer of a VHD")
    return footer


def _checksum(footer: bytes) -> int:
    """The complement of the sum of all bytes except the checksum."""
    return ~(sum(footer) - sum(footer[CHECKSUM])) & 0xFFFFFFFF


def _set_identity(vhd: Path, identity: bytes) -> None:
    """Set the disk's identity, 16 bytes, and a fixed time; those of qemu-img always differ."""
    footer = bytearray(_footer(vhd))
    footer[TIME] = bytes(4)
    footer[IDENTITY] = identity
    footer[CHECKSUM] = _checksum(bytes(footer)).to_bytes(4, "big")
    with vhd.open("r+b") as file:
        file.seek(-FOOTER, 2)
        file.write(footer)
