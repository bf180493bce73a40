"""build/image: the baked images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from finished import Finished
from run import logged

# zlib, which every QEMU and every cloud reads; on all CPUs, out of order.
COMPRESS = ("qemu-img", "convert", "-c", "-W", "-m", "8", "-O", "qcow2")


class Images(Finished):
    """The folder of finished images."""

    def publish(
        self, disk: Path, name: str, describe: Callable[[], dict[str, Any]], log: Path
    ) -> Path:
        """Compress `disk` into the image `name`, which replaces a former one when it is whole.

        `describe` is called after the compression; `log` gets qemu-img's output.
        Raises CommandError if qemu-img fails.
        """
        with self.work() as work:
            fresh = work / name
            logged([*COMPRESS, str(disk), str(fresh)], log)
            self.put({name: fresh}, describe())
        return self.folder / name
