"""How a command of `make` reports a failure."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from progress import Progress
from run import CommandError, RootError


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

    Of an error in `refusals`, only the text is reported. `shown` formats a path. `kept` says what
    is left after a failure; by default, that no `what` was touched.
    """
    refused: tuple[type[Exception], ...] = (*refusals, RootError)
    kept = kept or f"no {what} was touched"
    # These signals end the command as Ctrl-C does, so that no machine is left running.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        work()
    except refused as error:
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
