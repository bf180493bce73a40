"""A folder of finished files: what each is made of, and their checksums."""

import json
from pathlib import Path
from typing import Any

import sources


class Finished:
    """A folder of finished files, manifest.json and SHA256SUMS.

    manifest.json maps the name of a file to its description; its `key` tells what the file was
    made from, its `sha256` which file that was.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = folder / "manifest.json"

    def is_current(self, name: str, key: str) -> bool:
        """Whether the file `name` is there, whole, and was made from `key`."""
        description = self._descriptions().get(name, {})
        path = self.folder / name
        return (
            description.get("key") == key
            and path.is_file()
            and sources.file_digest(path) == description.get("sha256")
        )

    def description(self, name: str) -> dict[str, Any]:
        """What is known of the file `name`; empty if there is none."""
        return dict(self._descriptions().get(name, {}))

    def put(self, fresh: Path, name: str, description: dict[str, Any]) -> Path:
        """Rename `fresh`, which is whole and on the same file system, to `name`, and describe it.

        What is said of a former file holds until then, and of this one from then on.
        """
        described = {**description, "sha256": sources.file_digest(fresh)}
        target = self.folder / name
        fresh.replace(target)
        descriptions = {**self._descriptions(), name: described}
        sums = "".join(
            f"{entry['sha256']}  {file}\n" for file, entry in sorted(descriptions.items())
        )
        _write(self.folder / "SHA256SUMS", sums)
        _write(self._manifest, json.dumps(descriptions, indent=2, sort_keys=True) + "\n")
        return target

    def _descriptions(self) -> dict[str, dict[str, Any]]:
        if not self._manifest.is_file():
            return {}
        found: dict[str, dict[str, Any]] = json.loads(self._manifest.read_text())
        return {name: entry for name, entry in found.items() if (self.folder / name).is_file()}


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
