"""The real supervisord, with its socket and its files in one folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from laurel import supervisor
from laurel.supervisor import Supervisor

MAIN = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
{user}
[unix_http_server]
file={folder}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files = {folder}/conf.d/*.conf
"""


class Supervisord:
    """supervisord, which laurel.supervisor talks to from now on."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.conf = folder / "conf.d"
        self.socket = folder / "supervisor.sock"
        self.conf.mkdir()
        user = "user=root" if os.geteuid() == 0 else ""  # otherwise it warns
        (folder / "supervisord.conf").write_text(MAIN.format(folder=folder, user=user))
        patch.setattr(supervisor, "SOCKET", str(self.socket))
        patch.setattr(Supervisor, "files", (self.conf / "asgi.conf", self.conf / "wsgi.conf"))
        patch.setattr(Supervisor, "procfile", self.conf / "procfile.conf")
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            ["supervisord", "-c", self.folder / "supervisord.conf"], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while True:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.socket))
                return
            assert self._process.poll() is None, (self.folder / "supervisord.log").read_text()
            assert time.monotonic() < deadline, "supervisord does not answer after 30 s"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it and its processes: their orderly end would take seconds."""
        if self._process:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            started = children.read_text().split() if children.exists() else []
            self._process.kill()
            self._process.wait(30)
            for pid in started:
                with suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)
