"""build/image: the images that were baked, what each is made of, and their checksums."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sources
from run import logged

# zlib, which every QEMU and every cloud reads; on all CPUs, out of order.
COMPRESS = ("qemu-img", "convert", "-c", "-W", "-m", "8", "-O", "qcow2")


class Images:
    """The folder of the finished images: NAME.qcow2, manifest.json and SHA256SUMS.

    manifest.json maps the file name of an image to its description; its `key` tells what
    the image was made from, its `sha256` which file that was.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = folder / "manifest.json"

    def is_current(self, name: str, key: str) -> bool:
        """Whether the image `name` is there, whole, and was made from `key`."""
        description = self._descriptions().get(name, {})
        path = self.folder / name
        return (
            description.get("key") == key
            and path.is_file()
            and sources.file_digest(path) == description.get("sha256")
        )

    def description(self, name: str) -> dict[str, Any]:
        """What is known of the image `name`; empty if there is none."""
        return dict(self._descriptions().get(name, {}))

    def publish(
        self, disk: Path, name: str, describe: Callable[[], dict[str, Any]], log: Path
    ) -> Path:
        """Compress `disk` into the image `name`; the former one stays until this one is whole.

        `describe` is asked once the disk is compressed; `log` takes what qemu-img says.
        Raises CommandError if it fails.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / name
        fresh = target.with_suffix(".new")
        try:
            logged(
                [*COMPRESS, str(disk), str(fresh)],
                log,
            )
            description = {**describe(), "sha256": sources.file_digest(fresh)}
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
        descriptions = {**self._descriptions(), name: description}
        sums = "".join(
            f"{entry['sha256']}  {image}\n" for image, entry in sorted(descriptions.items())
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
