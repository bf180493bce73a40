"""Shows how far a long command is."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO


class Progress:
    """Numbers the steps, `[2/5  1:07] the base disk`, and knows how long each took."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total = total
        self._stream = stream
        self._started = time.monotonic()
        self._done: list[tuple[str, float]] = []
        self.current = ""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def step(self, name: str) -> None:
        """Begin the next step."""
        self._done.append((name, self.elapsed))
        self.current = name
        print(
            f"[{len(self._done)}/{self._total} {clock(self.elapsed):>5}] {name}",
            file=self._stream,
            flush=True,
        )

    def note(self, text: str) -> None:
        """Print a line within the current step."""
        print(f"{clock(self.elapsed):>10}  {text}", file=self._stream, flush=True)

    def notes(self, pattern: str) -> Callable[[str], None]:
        """A function that notes the first matching group of each line that matches `pattern`."""
        compiled = re.compile(pattern)

        def on_line(line: str) -> None:
            found = compiled.fullmatch(line)
            if found:
                self.note(next(group for group in found.groups() if group))

        return on_line

    def durations(self) -> dict[str, float]:
        """Seconds that each step took; the last one, up to now."""
        ends = [start for _, start in self._done[1:]] + [self.elapsed]
        return {
            name: round(end - start, 1) for (name, start), end in zip(self._done, ends, strict=True)
        }


def shown(path: Path, top: Path) -> str:
    """`path`, relative to `top` if it is below it."""
    return str(path.relative_to(top)) if path.is_relative_to(top) else str(path)


def clock(seconds: float) -> str:
    """`seconds` as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
