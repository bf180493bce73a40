"""`laurel reload` with the real nginx and supervisord."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from integration.nginx_process import Nginx
from integration.supervisord import Supervisord
from integration.wrapper import Wrapper
from laurel import nginx, redis, rolling, servers, site, templates
from laurel.errors import LaurelError
from laurel.settings import Settings
from laurel.supervisor import Supervisor
from machine.port import free_ports

# In the role of Daphne, which takes seconds to start on a busy host: it serves the socket after -u,
# and fails if there is a file `broken`.
SERVER = """\
#!/usr/bin/python3 -IS
import http.server, pathlib, socketserver, sys
if pathlib.Path("broken").exists():
    sys.exit("no application")
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def address_string(self):
        return "nginx"
socketserver.ThreadingUnixStreamServer.request_queue_size = 100
path = sys.argv[sys.argv.index("-u") + 1]
socketserver.ThreadingUnixStreamServer(path, Handler).serve_forever()
"""


class Machine:
    """A machine whose files are in `folder`, with two processes."""

    def __init__(
        self,
        folder: Path,
        binary: str,
        files: Path,
        settings: Settings,
        patch: pytest.MonkeyPatch,
    ) -> None:
        self.settings = settings
        self.nginx = Nginx(binary, folder)
        self.supervisord = Supervisord(folder, patch)
        self.django = folder / "current" / "django"
        self.django.mkdir(parents=True)
        self._program(folder / "current/venv/bin/daphne", SERVER)
        self._lay_templates(folder, files)
        self._stand_in_for_the_system(folder)
        patch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
        patch.setattr(servers, "CURRENT", folder / "current")
        patch.setattr(servers, "SOCKETS", folder)
        patch.setattr(nginx, "SITE", self.nginx.site)
        patch.setattr(nginx, "PID_FILE", folder / "nginx.pid")
        patch.setattr(rolling, "LOCK", folder / "reload.lock")
        patch.setattr(rolling, "UNFINISHED", folder / "reload.unfinished")
        patch.setattr(rolling, "RETRIES", 0.0)
        patch.setattr(rolling, "configure", lambda: self.settings)
        patch.setattr("laurel.settings.load", lambda: self.settings)
        patch.setattr(site, "outdated", lambda: False)
        patch.setattr(redis, "ELSEWHERE", folder)
        patch.setattr(redis, "stop", lambda: None)

    def _lay_templates(self, folder: Path, files: Path) -> None:
        """The machine's own templates, with its paths replaced by those of `folder`."""
        wrapper = Wrapper(files / "usr/lib/laurel/exec-site", folder)
        wrapper.environment.write_text("PATH=/usr/bin:/bin\n")
        replaced = {
            "/usr/lib/laurel/exec-site": str(wrapper.path),
            "/srv/site/current/django": str(self.django),
            "/var/log/site": str(folder),
            "user=site\n": "",
        }
        for name in ("asgi", "wsgi", "procfile"):
            text = (files / f"etc/supervisor/conf.d/{name}.conf").read_text()
            for old, new in replaced.items():
                text = text.replace(old, new)
            self.template(self.supervisord.conf / f"{name}.conf").write_text(text)
        text = (files / "etc/nginx/sites-available/site.conf").read_text()
        self.template(self.nginx.site).write_text(self.nginx.runnable(text))

    def _stand_in_for_the_system(self, folder: Path) -> None:
        programs = {
            "nginx": f'exec {" ".join(self.nginx.command)} "$@"',
            "systemctl": f"exec kill -HUP $(cat {folder}/nginx.pid)",
        }
        if os.geteuid() != 0:
            programs["unshare"] = 'exec /usr/bin/unshare --map-root-user "$@"'
        for name, text in programs.items():
            self._program(folder / "bin" / name, f"#!/bin/sh\n{text}\n")

    def _program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def template(self, target: Path) -> Path:
        path = templates.TEMPLATES / target.relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def set(self, **values: str) -> None:
        """Change settings."""
        processes = int(values.get("PROCESSES", self.settings.processes))
        self.settings = replace(
            self.settings, processes=processes, values={**self.settings.values, **values}
        )

    def reload(self) -> None:
        rolling.reload(lambda _: None)

    def stop(self) -> None:
        self.nginx.stop()
        self.supervisord.stop()

    def pids(self) -> list[int]:
        return [process.pid for process in Supervisor(self.settings).processes()]


@pytest.fixture
def prepared(
    tmp_path: Path,
    nginx_binary: str,
    machine_files: Path,
    make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Machine]:
    """A machine whose files are rendered, before anything starts."""
    monkeypatch.setattr(templates, "TEMPLATES", tmp_path / "templates")
    (number,) = free_ports(1)
    settings = make_settings(
        2,
        ASGI_APPLICATION="served:application",
        BIND_PORT=str(number),
        DRAIN_SECONDS="1",
        HEALTH_PATH="/",
    )
    machine = Machine(tmp_path, nginx_binary, machine_files, settings, monkeypatch)
    templates.render_all(settings)
    yield machine
    machine.stop()


@pytest.fixture
def machine(prepared: Machine) -> Machine:
    """The machine with its processes, which answer."""
    prepared.supervisord.start()
    prepared.nginx.start()
    rolling.wait(prepared.settings)
    return prepared


def test_reload_renews_every_process_and_loses_no_request(machine: Machine) -> None:
    before = machine.pids()
    statuses: list[int] = []
    over = threading.Event()

    def visit() -> None:
        while not over.wait(0.01):
            statuses.append(machine.nginx.ask().status)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        machine.reload()
    finally:
        over.set()
        visitor.join(30)
    assert not set(before) & set(machine.pids())
    assert len(machine.pids()) == 2
    assert set(statuses) == {200}
    assert nginx.drained() == set()
    machine.set(PROCESSES="3")
    machine.reload()
    assert len(machine.pids()) == 3
    assert machine.nginx.site.read_text().count("server unix:") == 3


def test_process_that_can_not_start_leaves_the_others_serving(machine: Machine) -> None:
    (machine.django / "broken").touch()
    before = machine.pids()
    with pytest.raises(LaurelError, match=r"asgi:asgi0 does not answer .*/asgi0\.log"):
        machine.reload()
    assert machine.pids()[1] == before[1]
    assert nginx.drained() == {servers.read("daphne").socket(0)}
    assert {machine.nginx.ask().status for _ in range(4)} == {200}
    (machine.django / "broken").unlink()
    machine.reload()
    assert nginx.drained() == set()
    assert len({*before, *machine.pids()}) == 4


def test_site_conf_that_nginx_refuses_does_not_take_effect(prepared: Machine) -> None:
    def rendered() -> list[bytes]:
        files = [nginx.SITE, *sorted(prepared.supervisord.conf.iterdir())]
        return [file.read_bytes() for file in files]

    before = rendered()
    prepared.set(MEDIA_URL="/static/", PROCESSES="5")
    refused = (
        r'stays as it was, nginx refuses the new one: .*duplicate location "/static/".*conf:\d'
    )
    with pytest.raises(LaurelError, match=refused):
        prepared.reload()
    assert rendered() == before
    assert list(nginx.SITE.parent.glob(".site.conf.*")) == []


def test_site_conf_is_checked_at_a_boot_before_nginx_runs(prepared: Machine) -> None:
    prepared.set(MAX_BODY="3m")
    assert templates.render_all(prepared.settings) == [nginx.SITE]
    assert "client_max_body_size 3m;" in nginx.SITE.read_text()
    # What the check leaves behind is not a running nginx.
    assert nginx.PID_FILE.read_text() == ""
    assert nginx._serving() == set()
