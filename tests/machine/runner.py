"""Runs on the machine, as root: one command after another, as they come in.

A login, a shell and sudo cost two seconds in emulation; this pays for them once. Standard library
alone, for whatever Python the machine has.

In: lines of JSON, `{"command": text for sh, "stdin": base64}`. Out: for each line in, one line of
JSON, `{"status": number, "stdout": base64, "stderr": base64}`. To an empty line, and when it has
started, it says `ready`.
"""

import base64
import json
import os
import subprocess
import sys


def run(command: str, stdin: bytes) -> tuple[int, bytes, bytes]:
    """Run one command; its outputs are those up to its own end, whoever it leaves behind."""
    stdout, stderr = os.memfd_create("stdout"), os.memfd_create("stderr")
    try:
        done = subprocess.run(
            ["sh", "-c", command],
            input=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            check=False,
        )
        # Read without moving: what was left behind may write on.
        written = [os.pread(file, os.fstat(file).st_size, 0) for file in (stdout, stderr)]
    finally:
        os.close(stdout)
        os.close(stderr)
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode  # as sh has it
    return status, written[0], written[1]


def main() -> None:
    """Answer until nobody asks any more."""
    print("ready", flush=True)
    for line in sys.stdin:
        if not line.strip():
            print("ready", flush=True)
            continue
        request = json.loads(line)
        status, stdout, stderr = run(request["command"], base64.b64decode(request["stdin"]))
        answer = {
            "status": status,
            "stdout": base64.b64encode(stdout).decode(),
            "stderr": base64.b64encode(stderr).decode(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
