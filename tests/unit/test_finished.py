"""Finished files are whole and described."""

import json
from hashlib import sha256
from pathlib import Path

import finished
import pytest
from finished import Finished

NAME = "laurel-debian-13-amd64.qcow2"


@pytest.fixture
def folder(tmp_path: Path) -> Finished:
    return Finished(tmp_path / "image")


def put(folder: Finished, content: str, *, key: str, name: str = NAME) -> None:
    with folder.work() as work:
        (work / "fresh").write_text(content)
        folder.put({name: work / "fresh"}, {"key": key})


def test_only_whole_file_of_the_key_is_current(folder: Finished) -> None:
    assert not folder.is_current(NAME, "k1")
    put(folder, "an image", key="k1")
    assert folder.is_current(NAME, "k1")
    assert not folder.is_current(NAME, "k2")
    assert {path.name for path in folder.folder.iterdir()} == {NAME, "manifest.json", "SHA256SUMS"}
    (folder.folder / NAME).write_text("damaged")
    assert not folder.is_current(NAME, "k1")


def test_checksums_describe_every_file(folder: Finished) -> None:
    put(folder, "an image", key="k1")
    put(folder, "another", key="k2", name="other.qcow2")
    expected = {
        NAME: sha256(b"an image").hexdigest(),
        "other.qcow2": sha256(b"another").hexdigest(),
    }
    manifest = json.loads((folder.folder / "manifest.json").read_text())
    assert {name: entry["sha256"] for name, entry in manifest.items()} == expected
    sums = (folder.folder / "SHA256SUMS").read_text()
    assert sums == "".join(f"{digest}  {name}\n" for name, digest in expected.items())
    (folder.folder / NAME).unlink()
    assert not folder.is_current(NAME, "k1")
    put(folder, "another", key="k2", name="other.qcow2")
    assert NAME not in (folder.folder / "SHA256SUMS").read_text()


def test_file_without_its_new_description_is_not_current(
    folder: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a power cut between the two."""
    put(folder, "an image", key="k1")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(finished, "_write", cut)
        with pytest.raises(KeyboardInterrupt):
            put(folder, "another", key="k2")
    assert not folder.is_current(NAME, "k1")
    assert not folder.is_current(NAME, "k2")
    put(folder, "another", key="k2")
    assert folder.is_current(NAME, "k2")


def test_only_abandoned_work_folders_are_removed(folder: Finished) -> None:
    with folder.work() as running:
        (running / "half").touch()
        abandoned = folder.folder / f"{finished.WORK}killed"
        abandoned.mkdir()
        with folder.work() as work:
            assert work != running
            assert not abandoned.exists()
        assert not work.exists()
        assert (running / "half").exists()
