"""Scrubbing erases what deleted files left on a disk, and changes nothing else."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import scrub
from scrub import ScrubError

START = 1 << 20  # bytes: where sfdisk puts the first partition
SIZE = 24 << 20
CONTENT = b"content of a file that was deleted"
NAME = b"name-of-a-file-that-was-deleted"
TARGET = b"target-of-a-link-that-was-deleted"
JOURNAL = b"copy-in-the-journal"
TRACES = [CONTENT, NAME, TARGET, JOURNAL]
# What of the superblock must stay.
FIELDS = r"^(Filesystem (?:UUID|volume name|features)|Block count|Total journal size): +(.*)$"


class Disk:
    """A raw disk with one file system, which has some files, in a partition at `start`.

    At 0 it has no partitions.
    """

    def __init__(self, folder: Path, *options: str, start: int = START) -> None:
        self.start = start
        self.path = folder / "disk.raw"
        self.log = folder / "log"
        self.device = f"{self.path}?offset={start}"
        self.draft = folder / "draft"
        tree = folder / "tree"
        (tree / "folder").mkdir(parents=True)
        for number in range(40):
            (tree / f"folder/kept-{number}").write_text(f"content {number}\n" * 400)
        with self.path.open("wb") as file:
            file.truncate(start + SIZE + start)
        if start:
            partition = f"label: gpt\nstart={start // 512}, size={SIZE // 512}\n"
            run("sfdisk", "--quiet", self.path, stdin=partition)
        where = ("-E", f"offset={start}", self.path, f"{SIZE >> 10}k")
        run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree, *options, *where)
        self.draft.write_bytes(b"x")
        self.debugfs(
            f"write {self.draft} attributed",
            "ea_set attributed security.capability planted",
            "set_inode_field attributed mode 0104750",
            "set_inode_field attributed uid 33",
            "symlink kept-link folder/kept-1",
            f"symlink long-link {'long/' * 30}",
        )

    def debugfs(self, *requests: str) -> str:
        return run("debugfs", "-w", "-f", "-", self.device, stdin="\n".join(requests))

    def delete_some(self) -> None:
        """Make and delete a file, a link and a named file; leave a trace in the journal."""
        self.draft.write_bytes(CONTENT * 300)
        content = f"write {self.draft} folder/of-content"
        self.debugfs(content, "rm folder/of-content")
        self.draft.write_bytes(b"")
        name = f"folder/{NAME.decode()}"
        self.debugfs(f"write {self.draft} {name}", f"rm {name}")
        self.debugfs(f"symlink link {TARGET.decode()}", "rm link")
        if block := int(self.debugfs("bmap <8> 20").split()[-1]):  # 0 without a journal
            (size,) = re.findall(r"^Block size: +(\d+)", self.superblock(), re.MULTILINE)
            with self.path.open("r+b") as file:
                file.seek(self.start + block * int(size))
                file.write(JOURNAL)

    def superblock(self) -> str:
        return run("dumpe2fs", "-h", self.device)

    def state(self) -> list[list[object]]:
        """What the owner of the disk can see of it."""
        requests = (
            "ls -p /",
            "ls -p folder",
            "ea_get -V attributed security.capability",
            "stat kept-link",
            "cat long-link",
            *(f"cat folder/kept-{number}" for number in range(40)),
        )
        # Sorted, because e2fsck -D sorts a folder's entries.
        listed = [sorted(self.debugfs(request).splitlines()) for request in requests]
        return [*listed, re.findall(FIELDS, self.superblock(), re.MULTILINE)]

    def traces(self) -> list[bytes]:
        """Which of TRACES are in the bytes of the disk."""
        content = self.path.read_bytes()
        return [trace for trace in TRACES if trace in content]

    def scrub(self) -> list[str]:
        return [str(left) for left in scrub.scrub(self.path, self.log)]


def run(*command: str | Path, stdin: str = "") -> str:
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C"}
    return subprocess.run(
        command, check=True, input=stdin, capture_output=True, text=True, env=environment
    ).stdout


@pytest.mark.parametrize(
    ("start", "options", "traces"),
    [
        (START, ("-b", "4096"), TRACES),
        (START, ("-b", "1024"), TRACES),
        (START, ("-O", "^has_journal"), TRACES[:3]),
        (0, (), TRACES),
    ],
    ids=["blocks of 4 KiB", "blocks of 1 KiB", "no journal", "no partitions"],
)
def test_only_traces_of_deleted_files_are_erased(
    tmp_path: Path, start: int, options: tuple[str, ...], traces: list[bytes]
) -> None:
    disk = Disk(tmp_path, *options, start=start)
    disk.delete_some()
    before = disk.state()
    assert "planted" in str(before)
    assert "content 39" in str(before)
    blocks = disk.path.stat().st_blocks
    assert disk.traces() == traces
    assert disk.scrub() == []
    assert disk.traces() == []
    assert disk.state() == before
    run("e2fsck", "-fn", disk.device)
    assert disk.path.stat().st_blocks <= blocks + (5 << 20) // 512  # at most a new journal


@pytest.mark.parametrize(
    ("form", "left"),
    [("mkfs.ext2", []), ("mkswap", ["partition 2 (swap)"]), ("mkfs.vfat", []), ("true", [])],
    ids=["ext2", "swap", "ESP", "boot loader"],
)
def test_each_partition_is_scrubbed_or_reported(tmp_path: Path, form: str, left: list[str]) -> None:
    disk = Disk(tmp_path)
    disk.delete_some()
    partition = tmp_path / "partition"
    partition.write_bytes(bytes(SIZE))
    run(form, partition)
    if form == "mkfs.ext2":
        deleted = f"write {disk.draft} deleted\nrm deleted\n"
        disk.draft.write_bytes(CONTENT)
        run("debugfs", "-w", "-f", "-", partition, stdin=deleted)
    before = partition.read_bytes()
    with disk.path.open("r+b") as file:
        file.seek(START + SIZE)
        file.write(before)
    table = f"label: dos\nstart={START // 512}, size={SIZE // 512}\nstart={(START + SIZE) // 512}\n"
    run("sfdisk", "--quiet", disk.path, stdin=table)
    assert disk.scrub() == left
    assert disk.traces() == []
    after = disk.path.read_bytes()[START + SIZE :]
    assert (after == before) == (form != "mkfs.ext2")


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        ("feature needs_recovery", "was not unmounted cleanly"),
        ("set_super_value rev_level 99", "can't be read: .* too high"),
    ],
)
def test_unusable_file_system_is_refused(tmp_path: Path, request_: str, refused: str) -> None:
    disk = Disk(tmp_path)
    disk.debugfs(request_)
    with pytest.raises(ScrubError, match=rf"^partition 1 \(ext4\) {refused}.*$"):
        disk.scrub()


def test_file_system_with_errors_left_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path)
    checker = tmp_path / "e2fsck"
    checker.write_text('#!/bin/sh\necho this is wrong\n[ "$1" != -fn ] || exit 1\n')
    checker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ScrubError, match="can't be scrubbed: e2fsck -fn said: this is wrong"):
        disk.scrub()
