"""Files that are written whole or not at all."""

import os
from pathlib import Path

import pytest
from laurel import files


def test_a_file_gets_its_text_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    assert files.write(path, "text\n", 0o640, os.getgid())
    assert path.read_text() == "text\n"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert path.stat().st_gid == os.getgid()


def test_the_same_again_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write(path, "text\n")
    before = path.stat().st_ino
    assert not files.write(path, "text\n")
    assert path.stat().st_ino == before


@pytest.mark.parametrize(("text", "mode"), [("other\n", 0o644), ("text\n", 0o600)])
def test_another_text_or_another_mode_is_a_change(tmp_path: Path, text: str, mode: int) -> None:
    path = tmp_path / "file"
    files.write(path, "text\n")
    assert files.write(path, text, mode)
    assert path.read_text() == text
    assert path.stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize("failing", ["fsync", "fchmod"])
def test_what_fails_on_the_way_leaves_the_former_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "file"
    files.write(path, "former\n")

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, "later\n")
    assert path.read_text() == "former\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    done: list[str] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        of = Path(f"/proc/self/fd/{descriptor}").readlink()
        done.append(f"{'folder' if of == tmp_path else 'file'}, named: {path.exists()}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    files.write(path, "text\n")
    assert done == ["file, named: False", "folder, named: True"]
