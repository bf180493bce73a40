"""What was deleted on a disk is gone from its bytes, and what was not is as it was."""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import scrub
from scrub import ScrubError

START = 1 << 20  # bytes: where sfdisk puts the first partition
SIZE = 24 << 20
CONTENT = b"content of a file that was deleted"
NAME = b"name-of-a-file-that-was-deleted"
TARGET = b"target-of-a-link-that-was-deleted"
JOURNAL = b"what the journal tells of it"
BEGUN = b"begun"


class Disk:
    """A raw disk with one partition; its file system has files, and had others."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.path = folder / "disk.raw"
        self.log = folder / "log"
        self.device = f"{self.path}?offset={START}"
        self.kept = {f"kept-{number}": f"content {number}\n" * 400 for number in range(40)}
        tree = folder / "tree"
        (tree / "folder").mkdir(parents=True)
        for name, content in self.kept.items():
            (tree / "folder" / name).write_text(content)
        self.draft = folder / "draft"
        with self.path.open("wb") as file:
            file.truncate(START + SIZE + START)
        partition = f"label: gpt\nstart={START // 512}, size={SIZE // 512}\n"
        run("sfdisk", "--quiet", self.path, stdin=partition)
        where = ("-E", f"offset={START}", self.path, f"{SIZE >> 10}k")
        run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree, *options, *where)

    def debugfs(self, *requests: str) -> str:
        return run("debugfs", "-w", "-f", "-", self.device, stdin="\n".join(requests))

    def delete_some(self) -> None:
        """Make and delete a file, a link and a file with a name; leave the journal a trace."""
        self.draft.write_bytes(CONTENT * 300)
        content = f"write {self.draft} folder/of-content"
        self.debugfs(content, "rm folder/of-content")
        self.draft.write_bytes(b"")
        name = f"folder/{NAME.decode()}"
        self.debugfs(f"write {self.draft} {name}", f"rm {name}")
        self.debugfs(f"symlink link {TARGET.decode()}", "rm link")
        if block := self.journal_block(20):
            self.write(block * self.block, JOURNAL)

    def journal_block(self, number: int) -> int:
        """Where that block of the journal is; 0 without a journal."""
        return int(self.debugfs(f"bmap <8> {number}").split()[-1])

    @property
    def block(self) -> int:
        return int(self.superblock()["Block size"])

    def write(self, place: int, content: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(START + place)
            file.write(content)

    def superblock(self) -> dict[str, str]:
        lines = run("dumpe2fs", "-h", self.device).splitlines()
        told = (line.partition(":") for line in lines)
        return {name: value.strip() for name, _, value in told}

    def found(self, texts: Iterable[bytes]) -> list[bytes]:
        """Which of `texts` are in the bytes of the disk."""
        content = self.path.read_bytes()
        return [text for text in texts if text in content]


def run(*command: str | Path, stdin: str = "") -> str:
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C"}
    return subprocess.run(
        command, check=True, input=stdin, capture_output=True, text=True, env=environment
    ).stdout


@pytest.fixture(params=["4096", "1024"], ids=["blocks of 4 KiB", "blocks of 1 KiB"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Disk:
    """A disk on which something was deleted."""
    made = Disk(tmp_path, "-b", request.param)
    made.delete_some()
    return made


def test_what_was_deleted_is_gone(disk: Disk) -> None:
    traces = (CONTENT, NAME, TARGET, JOURNAL)
    assert disk.found(traces) == list(traces)
    assert scrub.scrub(disk.path, disk.log) == []
    assert disk.found(traces) == []


def test_what_was_not_deleted_is_as_it_was(disk: Disk) -> None:
    disk.draft.write_bytes(b"x")
    disk.debugfs(
        f"write {disk.draft} attributed",
        "ea_set attributed security.capability planted",
        "set_inode_field attributed mode 0104750",
        "set_inode_field attributed uid 33",
        "symlink kept-link folder/kept-1",
        f"symlink long-link {'long/' * 30}",
    )
    requests = (
        "ls -p /",
        "ls -p folder",
        "ea_get -V attributed security.capability",
        "cat attributed",
        "stat kept-link",
        *(f"cat folder/{name}" for name in disk.kept),
    )
    before = [disk.debugfs(request) for request in requests]
    assert "planted" in before[2]
    scrub.scrub(disk.path, disk.log)
    # -D sorts a folder's entries.
    after = [disk.debugfs(request) for request in requests]
    assert [sorted(told.splitlines()) for told in after] == [
        sorted(told.splitlines()) for told in before
    ]
    assert all(content in told for content, told in zip(disk.kept.values(), after[5:], strict=True))


def test_the_file_system_is_found_by_the_same_uuid_and_label_and_has_the_same_journal(
    disk: Disk,
) -> None:
    names = (
        "Filesystem UUID",
        "Filesystem volume name",
        "Filesystem features",
        "Block count",
        "Total journal size",
    )
    before = disk.superblock()
    scrub.scrub(disk.path, disk.log)
    after = disk.superblock()
    assert {name: after[name] for name in names} == {name: before[name] for name in names}
    run("e2fsck", "-fn", disk.device)


def test_the_disk_takes_no_more_room(disk: Disk) -> None:
    before = disk.path.stat().st_blocks
    scrub.scrub(disk.path, disk.log)
    assert disk.path.stat().st_blocks <= before + (5 << 20) // 512  # the new journal's, at most


def test_a_file_system_without_a_journal_gets_none(tmp_path: Path) -> None:
    disk = Disk(tmp_path, "-O", "^has_journal")
    disk.delete_some()
    scrub.scrub(disk.path, disk.log)
    assert disk.found((CONTENT, NAME, TARGET)) == []
    assert "has_journal" not in disk.superblock()["Filesystem features"]


def test_a_machine_that_was_cut_off_is_refused(disk: Disk) -> None:
    disk.debugfs("feature needs_recovery")
    with pytest.raises(ScrubError, match=r"^partition 1 \(ext4\) was written to when"):
        scrub.scrub(disk.path, disk.log)


def test_a_partition_of_another_kind_is_told_and_not_touched(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    swap = tmp_path / "swap"
    swap.write_bytes(bytes(SIZE))
    run("mkswap", swap)
    disk.write(0, swap.read_bytes())
    before = disk.path.read_bytes()
    assert [str(left) for left in scrub.scrub(disk.path, disk.log)] == ["partition 1 (swap)"]
    assert disk.path.read_bytes() == before


@pytest.mark.parametrize("kind", ["a boot loader's space", "an ESP"])
def test_what_the_boot_loader_has_is_left_and_not_told(tmp_path: Path, kind: str) -> None:
    disk = Disk(tmp_path)
    disk.write(0, bytes(SIZE))
    if kind == "an ESP":
        sectors = SIZE // 512
        run("mkfs.vfat", f"--offset={START // 512}", disk.path, str(sectors // 2))
    assert scrub.scrub(disk.path, disk.log) == []


def test_a_disk_without_partitions_is_one_file_system(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    whole = tmp_path / "whole.raw"
    content = disk.path.read_bytes()[START : START + SIZE]
    whole.write_bytes(content)
    disk.path, disk.device = whole, str(whole)
    disk.draft.write_bytes(CONTENT)
    disk.debugfs(f"write {disk.draft} of-content", "rm of-content")
    assert disk.found([CONTENT])
    assert scrub.scrub(whole, disk.log) == []
    assert disk.found([CONTENT]) == []


def test_every_file_system_of_a_disk_is_scrubbed(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    second = START + SIZE
    with disk.path.open("r+b") as file:
        file.truncate(second + SIZE + START)
    table = json.loads(run("sfdisk", "--json", disk.path))["partitiontable"]
    assert table["partitions"][0]["size"] == SIZE // 512
    run(
        "sfdisk", "--quiet", disk.path,
        stdin=f"label: dos\nstart={START // 512}, size={SIZE // 512}\nstart={second // 512}\n",
    )  # fmt: skip
    run("mke2fs", "-q", "-t", "ext2", "-E", f"offset={second}", disk.path, f"{SIZE >> 10}k")
    disk.delete_some()
    disk.draft.write_bytes(BEGUN * 300)
    disk.device = f"{disk.path}?offset={second}"
    disk.debugfs(f"write {disk.draft} begun", "rm begun")
    assert disk.found([CONTENT, BEGUN * 300]) == [CONTENT, BEGUN * 300]
    assert scrub.scrub(disk.path, disk.log) == []
    assert disk.found([CONTENT, BEGUN * 300]) == []


def test_a_file_system_that_can_not_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.debugfs("set_super_value rev_level 99")
    with pytest.raises(ScrubError, match=r"^partition 1 \(ext4\) can't be read: .* too high.*$"):
        scrub.scrub(disk.path, disk.log)


@pytest.mark.parametrize(
    ("fails", "code", "refused"),
    [("-fyD", 1, False), ("-fyD", 4, True), ("-fn", 1, True), ("-fn", 0, False)],
)
def test_a_file_system_that_is_not_whole_in_the_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, code: int, refused: bool
) -> None:
    disk = Disk(tmp_path)
    checker = tmp_path / "bin" / "e2fsck"
    checker.parent.mkdir()
    checker.write_text(f'#!/bin/sh\necho this is wrong\n[ "$1" != {fails} ] || exit {code}\n')
    checker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{checker.parent}:{os.environ['PATH']}")
    if not refused:
        scrub.scrub(disk.path, disk.log)
        return
    with pytest.raises(ScrubError, match=f"can't be scrubbed: e2fsck {fails} said: this is wrong"):
        scrub.scrub(disk.path, disk.log)
