"""`python -m machine IMAGE`: run an image on a throw-away overlay until Ctrl-C."""

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path

from machine.error import MachineError, MachineTimeoutError
from machine.machine import Machine

HTTP_SECONDS = 120.0  # after SSH: time for migrations on an emulated machine
SSH_SECONDS = 600.0
SHUTDOWN_SECONDS = 90.0
POLL_SECONDS = 0.5


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the command line's options; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m machine", description=__doc__)
    parser.add_argument("image", type=Path, help="disk image; it is only read")
    parser.add_argument("--cpus", type=int, default=2, help="virtual CPUs (%(default)s)")
    parser.add_argument(
        "--memory", type=int, default=2048, metavar="MIB", help="memory in MiB (%(default)s)"
    )
    parser.add_argument(
        "--http-port",
        type=int,
        default=8080,
        metavar="PORT",
        help="port of 127.0.0.1 for the site, 0 for any free one (%(default)s)",
    )
    parser.add_argument("--ssh-user", metavar="USER", help="the image's user (that of its system)")
    parser.add_argument(
        "--firmware", choices=["bios", "uefi"], default="bios", help="(%(default)s)"
    )
    parser.add_argument(
        "--accel", choices=["kvm", "tcg"], help="what runs the guest (what works here)"
    )
    return parser.parse_args(arguments)


def say(text: str) -> None:
    """Print one line now, even into a pipe."""
    print(text, flush=True)


def serve(machine: Machine) -> None:
    """Boot the machine, say how to reach it, and return when it has switched itself off.

    Raises:
        MachineError: it does not boot.
    """
    machine.start()
    say(f"[1/3] {machine.image} boots ({machine.accelerator}); console: {machine.console.path}")
    machine.wait_for_ssh(SSH_SECONDS)
    say(f"[2/3] SSH after {machine.timings['boot 1 ssh']} s")
    try:
        answer = machine.wait_for_http("/", status=range(500), timeout=HTTP_SECONDS)
        say(f"[3/3] HTTP {answer.status_code} after {machine.timings['boot 1 http']} s")
    except MachineTimeoutError as error:
        say(f"[3/3] no site after {HTTP_SECONDS:.0f} s more: {str(error).splitlines()[0]}")
    say(f"site:  {machine.url}/")
    say(f"login: {shlex.join(machine.login.command_line())}")
    say("Ctrl-C ends the machine and throws its disk away.")
    while machine.running:
        time.sleep(POLL_SECONDS)
    say("The machine has switched itself off.")


def stop(machine: Machine) -> None:
    """Shut down in order if there is a guest to ask; the caller kills what is left."""
    if not machine.running:
        return
    if "boot 1 ssh" not in machine.timings:
        say("Stopping before the machine was up.")
        return
    say("Shutting down; Ctrl-C once more cuts the power.")
    try:
        machine.shutdown(SHUTDOWN_SECONDS)
    except MachineError:
        say(f"It has not shut down within {SHUTDOWN_SECONDS:.0f} s: cutting the power.")


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    options = parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with Machine(
            options.image,
            name="run",
            cpus=options.cpus,
            memory_mib=options.memory,
            firmware=options.firmware,
            accelerator=options.accel,
            ssh_user=options.ssh_user,
            forwards={80: options.http_port},
        ) as machine:
            try:
                serve(machine)
            except KeyboardInterrupt:
                stop(machine)
    except KeyboardInterrupt:
        return 130  # the second Ctrl-C
    except MachineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
