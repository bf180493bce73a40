"""The serial console of a machine, as QEMU logs it."""

import re
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 64 * 1024
PANIC = b"end Kernel panic - not syncing"  # the last line of a kernel that does not reboot
ESCAPES = re.compile(
    r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_()][0-9A-B]?)"
)


@dataclass(frozen=True)
class Console:
    """A console's log file, to which QEMU appends; it may not exist yet."""

    path: Path

    def size(self) -> int:
        """Return the size of the log in bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def panicked(self, since: int) -> bool:
        """Whether Linux reported a panic after the first `since` bytes."""
        return PANIC in self._read(max(since, self.size() - TAIL_BYTES))

    def shows(self, pattern: str, since: int) -> bool:
        """Whether a regular expression matches the log after the first `since` bytes.

        Colours and cursor movements are removed first.
        """
        return re.search(pattern, _plain(self._read(since))) is not None

    def tail(self, lines: int = 25) -> str:
        """Return the last lines that are not empty, without colours and cursor movements."""
        text = _plain(self._read(max(0, self.size() - TAIL_BYTES)))
        # A carriage return within a line overwrites it (progress): the last part is what remains.
        kept = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
        return "\n".join([line for line in kept if line][-lines:])

    def _read(self, start: int) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read()


def _plain(log: bytes) -> str:
    return ESCAPES.sub("", log.decode(errors="replace"))
