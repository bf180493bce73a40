"""A folder of finished files, with what each was made from and its checksum."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import sources

WORK = ".work-"


class Finished:
    """A folder of finished files, manifest.json and SHA256SUMS. Several processes may use it.

    manifest.json maps a file's name to its description: `key` says what the file was made from,
    `sha256` is its checksum.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = folder / "manifest.json"

    def is_current(self, name: str, key: str) -> bool:
        """Whether the file `name` exists, is whole, and was made from `key`."""
        description = self.description(name)
        return description.get("key") == key and (
            sources.file_digest(self.folder / name) == description["sha256"]
        )

    def description(self, name: str) -> dict[str, Any]:
        """The description of the file `name`; empty if there is no such file."""
        return dict(self._descriptions().get(name, {}))

    @contextmanager
    def work(self) -> Iterator[Path]:
        """A new folder on the file system of the finished files, removed at the end.

        Also removes the folders of processes that were killed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            with _locked(self.folder):
                for abandoned in self.folder.glob(f"{WORK}*"):
                    with (
                        suppress(BlockingIOError, FileNotFoundError),  # its process still runs
                        _locked(abandoned, fcntl.LOCK_EX | fcntl.LOCK_NB),
                    ):
                        shutil.rmtree(abandoned)
                work = Path(mkdtemp(prefix=WORK, dir=self.folder))
                stack.enter_context(_locked(work))
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            yield work

    def put(self, fresh: Mapping[str, Path], description: Mapping[str, Any]) -> None:
        """Rename whole files of `work` to the given names in this folder, and describe each."""
        described = {
            name: {**description, "sha256": sources.file_digest(path)}
            for name, path in fresh.items()
        }
        with _locked(self.folder):
            for name, path in fresh.items():
                path.replace(self.folder / name)
            descriptions = {**self._descriptions(), **described}
            sums = (f"{entry['sha256']}  {file}\n" for file, entry in sorted(descriptions.items()))
            _write(self.folder / "SHA256SUMS", "".join(sums))
            _write(self._manifest, json.dumps(descriptions, indent=2, sort_keys=True) + "\n")

    def _descriptions(self) -> dict[str, dict[str, Any]]:
        if not self._manifest.is_file():
            return {}
        found: dict[str, dict[str, Any]] = json.loads(self._manifest.read_text())
        return {name: entry for name, entry in found.items() if (self.folder / name).is_file()}


@contextmanager
def _locked(folder: Path, operation: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock of `folder`, which ends with this process at the latest."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, operation)
        yield
    finally:
        os.close(handle)


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
