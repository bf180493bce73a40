"""Files that are written whole or not at all, and locks."""

import errno
import os
from pathlib import Path

import pytest
from laurel import files, lock


@pytest.mark.parametrize(
    ("text", "mode", "changed"),
    [("text\n", 0o640, False), ("other\n", 0o640, True), ("text\n", 0o600, True)],
)
def test_file_is_replaced_only_if_it_differs(
    tmp_path: Path, text: str, mode: int, changed: bool
) -> None:
    path = tmp_path / "new" / "file"
    files.write(path, "text\n", 0o640, os.getgid())
    before = path.stat().st_ino
    assert files.write(path, text, mode, os.getgid()) is changed
    assert (path.stat().st_ino != before) is changed
    assert (path.read_text(), path.stat().st_mode & 0o7777) == (text, mode)
    assert path.stat().st_gid == os.getgid()


@pytest.mark.parametrize("failing", ["fsync", "fchmod", "check"])
def test_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "file"
    files.write(path, "old\n")

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    if failing != "check":
        monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, "new\n", check=fail)
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_file_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    done: list[str] = []

    def spy(descriptor: int) -> None:
        opened = Path(f"/proc/self/fd/{descriptor}").readlink()
        done.append(f"{'folder' if opened == tmp_path else 'file'}, named: {path.exists()}")

    monkeypatch.setattr(os, "fsync", spy)
    files.write(path, "text\n")
    assert done == ["file, named: False", "folder, named: True"]


def test_failed_fork_is_not_reported_as_a_second_command(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), lock.exclusive(tmp_path / "lock", "laurel reload"):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
