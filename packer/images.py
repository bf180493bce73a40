"""build/image: the images that were baked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from finished import Finished
from run import logged

# zlib, which every QEMU and every cloud reads; on all CPUs, out of order.
COMPRESS = ("qemu-img", "convert", "-c", "-W", "-m", "8", "-O", "qcow2")


class Images(Finished):
    """The folder of the finished images, NAME.qcow2."""

    def publish(
        self, disk: Path, name: str, describe: Callable[[], dict[str, Any]], log: Path
    ) -> Path:
        """Compress `disk` into the image `name`; the former one stays until this one is whole.

        `describe` is asked once the disk is compressed; `log` takes what qemu-img says.
        Raises CommandError if it fails.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = (self.folder / name).with_suffix(".new")
        try:
            logged([*COMPRESS, str(disk), str(fresh)], log)
            return self.put(fresh, name, describe())
        finally:
            fresh.unlink(missing_ok=True)
