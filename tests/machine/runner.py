"""Runs on the machine as root: one command after another, as requests come in on stdin.

Under emulation a login, a shell and sudo take two seconds; with this they are needed only once. It
uses the standard library alone and works with the machine's own Python.

Input: lines of JSON, `{"command": text for sh, "stdin": base64}`. Output: for each of them a line
of JSON, `{"status": number, "stdout": base64, "stderr": base64}`. It writes `ready` at the start
and for each empty line.
"""

import base64
import json
import os
import subprocess
import sys


def run(command: str, stdin: bytes) -> tuple[int, bytes, bytes]:
    """Run a command; return what was written until it ended, even if a child of it goes on."""
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
        # pread leaves the offset alone, at which a child may still write.
        written = [os.pread(file, os.fstat(file).st_size, 0) for file in (stdout, stderr)]
    finally:
        os.close(stdout)
        os.close(stderr)
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode  # as sh does
    return status, written[0], written[1]


def main() -> None:
    """Serve requests until the end of stdin."""
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
