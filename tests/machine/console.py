"""The serial console of a machine, as QEMU logs it."""

import re
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 64 * 1024
PANIC = b"end Kernel panic - not syncing"  # written when it will not reboot
ESCAPES = re.compile(
    r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_()][0-9A-B]?)"
)


@dataclass(frozen=True)
class Console:
    """A console's log file, which QEMU appends to.

    Attributes:
        path: the file; it need not exist yet.
    """

    path: Path

    def size(self) -> int:
        """Return how many bytes have been written."""
        return self.path.stat().st_size if self.path.exists() else 0

    def panicked(self, since: int) -> bool:
        """Whether Linux has said that it panicked, after the first `since` bytes."""
        return PANIC in self._read(since)

    def shows(self, pattern: str, since: int) -> bool:
        """Whether a regular expression matches what is in the log after the first `since` bytes.

        Colours and cursor movements do not count.
        """
        if not self.path.exists():
            return False
        with self.path.open("rb") as file:
            file.seek(since)
            return re.search(pattern, _plain(file.read())) is not None

    def _read(self, since: int) -> bytes:
        """Return the log's end, and of what came before `since` nothing."""
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            file.seek(max(since, self.size() - TAIL_BYTES))
            return file.read()

    def tail(self, lines: int = 25) -> str:
        """Return the last lines that are not empty, without colours and cursor movements."""
        text = _plain(self._read(0))
        # A lone carriage return overwrites its line (progress): what counts is what stayed.
        kept = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
        return "\n".join([line for line in kept if line][-lines:])


def _plain(log: bytes) -> str:
    return ESCAPES.sub("", log.decode(errors="replace"))
