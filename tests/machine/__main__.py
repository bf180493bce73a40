"""`python -m machine IMAGE`: run an image on a throw-away overlay until Ctrl-C."""

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path

from machine.error import MachineError, MachineTimeoutError
from machine.machine import Machine

SSH_SECONDS = 600.0
HTTP_SECONDS = 120.0  # after SSH: for migrations on an emulated machine
SHUTDOWN_SECONDS = 90.0
POLL_SECONDS = 0.5


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m machine", description=__doc__)
    parser.add_argument("image", type=Path, help="disk image, which is only read")
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
    parser.add_argument("--ssh-user", metavar="USER", help="user (default: that of the system)")
    parser.add_argument(
        "--firmware", choices=["bios", "uefi"], default="bios", help="(%(default)s)"
    )
    parser.add_argument(
        "--accel", choices=["kvm", "tcg"], help="accelerator (default: what works here)"
    )
    return parser.parse_args(arguments)


def report(text: str) -> None:
    """Print a line at once, even into a pipe."""
    print(text, flush=True)


def serve(machine: Machine) -> None:
    """Boot the machine, print how to reach it, and return when it has powered itself off.

    Raises:
        MachineError: the machine does not boot.
    """
    machine.start()
    report(f"[1/3] {machine.image} boots ({machine.accelerator}); console: {machine.console.path}")
    machine.wait_for_ssh(SSH_SECONDS)
    report(f"[2/3] SSH after {machine.timings['boot 1 ssh']} s")
    try:
        response = machine.wait_for_http("/", status=range(500), timeout=HTTP_SECONDS)
        report(f"[3/3] HTTP {response.status_code} after {machine.timings['boot 1 http']} s")
    except MachineTimeoutError as error:
        report(f"[3/3] no site after {HTTP_SECONDS:.0f} s more: {str(error).splitlines()[0]}")
    report(f"site:  {machine.url}/")
    report(f"login: {shlex.join(machine.login.command_line())}")
    report("Ctrl-C ends the machine and deletes its disk.")
    while machine.running:
        time.sleep(POLL_SECONDS)
    report("The machine has powered itself off.")


def stop(machine: Machine) -> None:
    """Shut the machine down if it has booted; the caller kills one that still runs."""
    if not machine.running:
        return
    if "boot 1 ssh" not in machine.timings:
        report("Stopping before the machine was up.")
        return
    report("Shutting down; a second Ctrl-C cuts the power.")
    try:
        machine.shutdown(SHUTDOWN_SECONDS)
    except MachineError:
        report(f"No shutdown within {SHUTDOWN_SECONDS:.0f} s: cutting the power.")


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
            http_port=options.http_port,
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
