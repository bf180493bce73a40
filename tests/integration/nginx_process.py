"""The real nginx as an ordinary process, with site.conf and all its files in one folder."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from machine.port import free_ports

MAIN = """
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx-main.log;
{user}
events {{
    worker_connections 1024;
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
    """nginx on 127.0.0.1:`port`; `folder` holds the sockets, the logs, the uploads and the release.

    `backup_port` is the port of the shared socket; without it, site.conf's own stays.
    """

    def __init__(self, binary: str, folder: Path, backup_port: int | None = None) -> None:
        self.folder = folder
        self.site = folder / "site.conf"
        conf = folder / "nginx.conf"
        self.command = [binary, "-p", str(folder), "-c", str(conf), "-e", "stderr"]
        (self.port,) = free_ports(1)
        self._backup_port = backup_port
        self._process: subprocess.Popen[str] | None = None
        # The workers of a root nginx would get another user, who may not read the folder.
        user = "user root root;" if os.geteuid() == 0 else ""
        conf.write_text(MAIN.format(folder=folder, user=user))

    def runnable(self, site: str) -> str:
        """site.conf, or its template, with the machine's addresses and folders replaced."""
        replaced = {
            "listen 80 default_server ": f"listen 127.0.0.1:{self.port} default_server ",
            "    listen [::]:80 default_server backlog=4096;\n": "",
            "/var/log/site/": f"{self.folder}/",
            "/srv/site/current/": f"{self.folder}/release/",
        }
        if "{{" not in site:
            replaced["unix:/run/daphne/"] = f"unix:{self.folder}/"
        for old, new in replaced.items():
            assert old in site, f"site.conf has no {old!r}"
            site = site.replace(old, new)
        if self._backup_port:
            site = site.replace("server 127.0.0.1:8000 ", f"server 127.0.0.1:{self._backup_port} ")
        return site.replace("/var/lib/site/", f"{self.folder}/")

    def check(self) -> subprocess.CompletedProcess[str]:
        """What `nginx -t` says."""
        return subprocess.run(
            [*self.command, "-t"], capture_output=True, text=True, check=False, timeout=20
        )

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        self._process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, self._process.communicate()[1]
                assert time.monotonic() < deadline, "nginx does not listen after 20 s"
                time.sleep(0.01)

    def stop(self) -> None:
        """End it, its workers and their connections."""
        if self._process:
            self._process.terminate()
            self._process.communicate(timeout=20)

    def ask(
        self,
        target: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        host: str = "127.0.0.1",
    ) -> Answer:
        """One request on a new connection, with no other headers; `target` is sent literally."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
