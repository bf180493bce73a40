"""Waiting with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

from machine.error import MachineTimeoutError, UnreachableError

T = TypeVar("T")


class NotYetError(Exception):
    """A probe looked, and what is waited for is not there; the text says what is there instead."""


def wait_for(
    what: str,
    probe: Callable[[float], T],
    *,
    timeout: float,
    interval: float = 1.0,
    check: Callable[[], None] = lambda: None,
    evidence: Callable[[], str] = lambda: "",
) -> T:
    """Call `probe` until it returns.

    Args:
        what: what is waited for, for the error's text.
        probe: gets the seconds that remain; returns the answer, or raises `NotYetError` or
            `UnreachableError` to be called again.
        timeout: the deadline, in seconds from now.
        interval: seconds between two calls.
        check: called before each probe; raises when there is no point in waiting longer.
        evidence: text that goes under the error.

    Raises:
        MachineTimeoutError: the deadline passed.
    """
    start = time.monotonic()
    while True:
        check()
        try:
            return probe(max(0.1, timeout - (time.monotonic() - start)))
        except (NotYetError, UnreachableError) as reason:
            last = reason
        check()
        elapsed = time.monotonic() - start
        if elapsed >= timeout:
            raise MachineTimeoutError(
                f"{what}: not so after {elapsed:.0f} s (deadline {timeout:g} s); last: {last}"
                + evidence()
            ) from last
        time.sleep(min(interval, timeout - elapsed))
