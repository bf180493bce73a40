"""How `laurel` checks a new site.conf and reloads, with the real nginx."""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.nginx_process import Nginx
from integration.upstream import Request, Upstream
from laurel import nginx, templates
from laurel.errors import LaurelError
from laurel.settings import Settings

MakeSettings = Callable[..., Settings]


@pytest.fixture
def server(
    tmp_path: Path,
    nginx_binary: str,
    machine_files: Path,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Nginx]:
    """A machine's nginx that does not run yet, with site.conf for one process."""
    program = shutil.copy(nginx_binary, tmp_path / "program")  # a test may replace it
    server = Nginx(str(program), tmp_path)
    monkeypatch.setattr(nginx, "SITE", server.site)
    monkeypatch.setattr(nginx, "PID_FILE", tmp_path / "nginx.pid")
    monkeypatch.setattr(templates, "TEMPLATES", tmp_path / "templates")
    template = templates.TEMPLATES / server.site.relative_to("/")
    template.parent.mkdir(parents=True)
    text = (machine_files / "etc/nginx/sites-available/site.conf").read_text()
    template.write_text(server.runnable(text).replace("{{ socket }}", f"{tmp_path}/asgi.sock"))
    (template.parent / "other.conf").write_text("{{ MAX_BODY }}")
    programs = {
        "nginx": f'exec {" ".join(server.command)} "$@"',
        "systemctl": f"exec kill -HUP $(cat {tmp_path}/nginx.pid)",
    }
    if os.geteuid() != 0:
        programs["unshare"] = 'exec /usr/bin/unshare --map-root-user "$@"'
    (tmp_path / "bin").mkdir()
    for name, command in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{command}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    templates.render_all(make_settings(1))
    yield server
    server.stop()


@pytest.mark.usefixtures("server")
def test_site_conf_that_nginx_refuses_changes_no_file(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.iterdir() if path.suffix == ".conf"}

    before = files()
    refused = (
        r'stays as it was, nginx refuses the new one: .*duplicate location "/static/".*conf:\d'
    )
    with pytest.raises(LaurelError, match=refused):
        templates.render_all(make_settings(1, MEDIA_URL="/static/", MAX_BODY="3m"))
    assert files() == before


@pytest.mark.usefixtures("server")
def test_site_conf_is_checked_at_a_boot_before_nginx_runs(make_settings: MakeSettings) -> None:
    assert nginx.SITE in templates.render_all(make_settings(1, MAX_BODY="3m"))
    assert "client_max_body_size 3m;" in nginx.SITE.read_text()
    # What the check leaves behind is not a running nginx.
    assert nginx.PID_FILE.read_text() == ""
    assert nginx._serving() == set()


def test_reload_ends_once_new_workers_serve_and_cuts_no_request(
    server: Nginx, tmp_path: Path, make_settings: MakeSettings
) -> None:
    requests: list[Request] = []
    upstream = Upstream("asgi", tmp_path / "asgi.sock", requests).start()
    server.start()
    before = nginx._serving()
    statuses: list[int] = []
    visitor = threading.Thread(target=lambda: statuses.append(server.ask("/hold").status))
    visitor.start()
    while not requests:
        visitor.join(0.01)
        assert visitor.is_alive()
    templates.render_all(make_settings(1, MAX_BODY="1k"))
    nginx.reload()
    assert len(nginx._serving()) == 2
    assert not before & nginx._serving()
    assert {server.ask("/", "POST", body=b"x" * 1025).status for _ in range(9)} == {413}
    upstream.gate.set()
    visitor.join(20)
    assert statuses == [200]
    upstream.kill()


@pytest.fixture
def daemon(server: Nginx, tmp_path: Path) -> Iterator[Nginx]:
    """The server as a daemon, which runs: another one ignores the signal for a new program."""
    conf = tmp_path / "nginx.conf"
    conf.write_text(conf.read_text().replace("daemon off;", ""))
    server.start()
    yield server
    os.kill(int(nginx.PID_FILE.read_text()), signal.SIGTERM)


def test_replaced_program_takes_over_without_a_cut_request(daemon: Nginx, tmp_path: Path) -> None:
    requests: list[Request] = []
    upstream = Upstream("asgi", tmp_path / "asgi.sock", requests).start()
    said: list[str] = []
    old = int(nginx.PID_FILE.read_text())
    nginx.hand_over(said.append)
    assert (said, int(nginx.PID_FILE.read_text())) == ([], old)  # nothing has changed
    statuses: list[int] = []
    visitor = threading.Thread(target=lambda: statuses.append(daemon.ask("/hold").status))
    visitor.start()
    while not requests:
        visitor.join(0.01)
        assert visitor.is_alive()
    program = Path(daemon.command[0])
    shutil.copy(program, tmp_path / "new")
    (tmp_path / "new").replace(program)
    nginx.hand_over(said.append)
    assert said == ["nginx's new version serves; the old one ends with its last connection"]
    assert int(nginx.PID_FILE.read_text()) != old
    assert {daemon.ask().status for _ in range(9)} == {200}
    upstream.gate.set()
    visitor.join(20)
    assert statuses == [200]
    upstream.kill()


@pytest.mark.usefixtures("server")
def test_broken_configuration_is_not_reloaded() -> None:
    nginx.SITE.write_text("oops;\n")
    with pytest.raises(LaurelError, match=r'nginx refuses its configuration: .*"oops"'):
        nginx.reload()
