"""`make export`: which formats are made, what is refused, when exports are outdated."""

import struct
from pathlib import Path

import export
import pytest
import stream_optimized
from export import __main__ as command
from run import CommandError


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        ("raw", "no image at {image}: run `make image` first, or set IMAGE"),
        (
            "raw vdi iso",
            "FORMATS=vdi iso is not known; known: raw, vmdk, vhd, gce, ova, box, qcow2",
        ),
    ],
    ids=["no image", "unknown formats"],
)
def test_refusal_is_one_line_before_any_work(
    formats: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FORMATS", formats)
    monkeypatch.setattr(command, "BUILD", tmp_path / "build")
    image = tmp_path / "missing.qcow2"
    assert command.main([str(image)]) == 1
    assert capsys.readouterr() == ("", f"export: {message.format(image=image)}\n")
    assert not (tmp_path / "build").exists()


def test_changed_image_or_code_makes_exports_outdated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "format.py"
    code.write_text("one")
    monkeypatch.setattr(export, "CODE", (code,))
    before = export.key("image")
    assert export.key("image") == before
    assert export.key("another image") != before
    code.write_text("two")
    assert export.key("image") != before


def test_vmdk_with_a_gap_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vmdk = tmp_path / "vmdk"
    header = bytes(64) + struct.pack("<Q", 1)
    content = header.ljust(512, b"\0") + bytes(512) + b"a grain".ljust(512, b"\0")
    monkeypatch.setattr(stream_optimized, "logged", lambda *_: vmdk.write_bytes(content))
    with pytest.raises(CommandError, match=r"gap in .*, at byte 512"):
        stream_optimized.convert(vmdk, "raw", vmdk, adapter="ide", log=tmp_path / "log")


def test_vmdk_content_id_has_eight_digits(tmp_path: Path) -> None:
    """qemu-img drops leading zeros."""
    vmdk = tmp_path / "vmdk"
    descriptor = b"# Disk DescriptorFile\nCID=%s\nparentCID=ffffffff\n"
    vmdk.write_bytes(bytes(512) + (descriptor % b"a1b2c3d").ljust(20 * 512, b"\0"))
    stream_optimized._set_content_id(vmdk, "00000000")
    assert vmdk.read_bytes()[512:] == (descriptor % b"00000000").ljust(20 * 512, b"\0")
