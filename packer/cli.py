"""How a command of `make` tells that it failed, and what it leaves behind: nothing."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from progress import Progress
from run import CommandError


def run(
    what: str,
    work: Callable[[], None],
    *,
    progress: Progress,
    refusals: tuple[type[Exception], ...],
    shown: Callable[[Path], str],
    kept: str = "",
) -> int:
    """Do `work`, which makes `what` ("image"); return the exit code.

    `refusals` are the errors whose text is all that there is to say; `shown` gives a path as it
    is told; `kept` says what is left after a failure, where that is not what was there before.
    """
    kept = kept or f"no {what} was touched"
    # However it is told to end, it ends the machine that it started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        work()
    except refusals as error:
        print(f"{what}: {error}", file=sys.stderr)
        return 1
    except CommandError as error:
        print(f"\n{what}: failed in: {progress.current}: {error}", file=sys.stderr)
        print(*(f"  | {line}" for line in error.tail), sep="\n", file=sys.stderr)
        print(f"{what}: the whole log is {shown(error.log)}; {kept}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"\n{what}: failed in: {progress.current}: {error}: {error.stderr}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{what}: interrupted in: {progress.current}; {kept}", file=sys.stderr)
        return 130
    return 0
