"""The real nginx as an ordinary process, with our site.conf and files in one folder alone."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MAIN = """
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx-main.log;
{user}
events {{
    worker_connections 128;
}}
http {{
    access_log off;
    client_body_temp_path {folder}/temp;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp;
    uwsgi_temp_path {folder}/temp;
    scgi_temp_path {folder}/temp;
    include {folder}/site.conf;
}}
"""


@dataclass(frozen=True)
class Answer:
    """What a client of nginx got; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def upstream(self) -> str | None:
        """The upstream that answered; None if it was nginx itself."""
        return self.headers.get("x-upstream")


class Nginx:
    """nginx on 127.0.0.1:`port`; `folder` holds the sockets, the logs and release/public.

    `backup_port` is that of the shared socket, None for a server that takes no part in one.
    """

    def __init__(self, binary: str, folder: Path, site: str, backup_port: int | None) -> None:
        self.binary = binary
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[str] | None = None
        # nginx that starts as root gives its workers another user, which may not read here.
        user = "user root root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
        (folder / "site.conf").write_text(self._runnable(site, backup_port))

    def _runnable(self, site: str, backup_port: int | None) -> str:
        """`site` with the machine's addresses and folders exchanged, and nothing else."""
        exchanged = {
            "listen 80 default_server;": f"listen 127.0.0.1:{self.port} default_server;",
            "    listen [::]:80 default_server;\n": "",
            "unix:/run/daphne/": f"unix:{self.folder}/",
            "/var/log/site/": f"{self.folder}/",
            "/srv/site/current/": f"{self.folder}/release/",
        }
        if backup_port:
            exchanged["server 127.0.0.1:8000 "] = f"server 127.0.0.1:{backup_port} "
        for old, new in exchanged.items():
            assert old in site, f"site.conf has no {old!r}"
            site = site.replace(old, new)
        return site

    def check(self) -> subprocess.CompletedProcess[str]:
        """What `nginx -t` says."""
        return subprocess.run(
            [*self._command(), "-t"], capture_output=True, text=True, check=False, timeout=20
        )

    def start(self) -> "Nginx":
        """Start, and wait until it takes connections."""
        self._process = subprocess.Popen(
            self._command(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                assert self._process.poll() is None, self._process.communicate()[1]
                assert time.monotonic() < deadline, "nginx does not listen after 20 s"
                time.sleep(0.01)

    def stop(self) -> None:
        """End it and its workers, with what they hold open."""
        if self._process:
            self._process.terminate()
            self._process.communicate(timeout=20)

    def ask(
        self,
        target: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        host: str | None = None,
    ) -> Answer:
        """One request on a connection of its own; `target` is sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            return ask_on(connection, target, method, headers, body, host)
        finally:
            connection.close()

    def _command(self) -> list[str]:
        return [
            self.binary,
            *("-p", str(self.folder)),
            *("-c", str(self.folder / "nginx.conf")),
            *("-e", "stderr"),
        ]


def ask_on(
    connection: http.client.HTTPConnection,
    target: str,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    host: str | None = None,
) -> Answer:
    """One request on `connection`, with no header that is not asked for but Host."""
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", host or f"127.0.0.1:{connection.port}")
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    names = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, names, response.read())


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port
