"""The end of a cloud's resolver; what it answers is proved by the clouds' checks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SIGNALS = """
for number in signal.SIGINT, signal.SIGHUP:
    signal.signal(number, lambda *_: None)
    os.killpg(0, number)
subprocess.run(resolver.around(["getent", "ahostsv4", "a.example"]), check=True)
resolver.close()
"""
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(("script", "status"), [(SIGNALS, 0), (KILLED, -signal.SIGKILL)])
def test_resolver_ends_with_its_parent_and_not_at_a_terminal_signal(
    top: Path, tmp_path: Path, script: str, status: int
) -> None:
    begin = f"""
import os, signal, subprocess
from pathlib import Path
from machine.resolver import Resolver
resolver = Resolver({{"a.example": "192.0.2.1"}}, Path("{tmp_path}"))
"""
    ended = subprocess.run(
        [sys.executable, "-c", begin + script],
        env=os.environ | {"PYTHONPATH": str(top / "tests")},
        start_new_session=True,
        check=False,
    )
    assert ended.returncode == status
    deadline = time.monotonic() + 10
    while (tmp_path / "resolver.pid").exists():  # dnsmasq removes it when it ends
        assert time.monotonic() < deadline
        time.sleep(0.05)
