"""Errors of a host that is reached by SSH; what works is proved by each acceptance run."""

import socket
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from unittest.mock import Mock

import pytest
from machine import MachineError, MachineTimeoutError, RemoteHost, UnreachableError
from machine.ssh import Connection
from machine.vagrant import vagrant_host


@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        (TimeoutError, MachineTimeoutError, "still runs after 9 s: id"),
        (OSError, UnreachableError, "lost during: id"),
    ],
)
def test_hanging_and_lost_commands_are_reported(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception], error: type[Exception], message: str
) -> None:
    monkeypatch.setattr(Connection, "channel", lambda *_: Mock(recv=Mock(side_effect=failure)))
    with pytest.raises(error, match=message):
        RemoteHost("root@host").execute("id", timeout=9)


def test_refusal_of_sudo_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = {"recv.return_value": b"", "recv_exit_status.return_value": 1}
    errors = Mock(side_effect=[b"a password is required", b""] * 2)
    monkeypatch.setattr(Connection, "channel", lambda *_: Mock(**refusal, recv_stderr=errors))
    host = RemoteHost("admin@host")
    with pytest.raises(MachineError, match=r"failed: `id` \(exit status 1\)\na password is req"):
        host.succeed("id")
    with pytest.raises(MachineTimeoutError, match=r"(?s)SSH: not so .*a password is required"):
        host.wait_for_ssh(0)


def test_unreachable_host_is_reported() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = RemoteHost(f"root@127.0.0.1:{unused.getsockname()[1]}", known_hosts=False)
        with pytest.raises(UnreachableError, match=f"{host.name}: "):
            host.execute("true")
        with pytest.raises(MachineTimeoutError, match="SSH: not so after"):
            host.wait_for_ssh(0)


def test_http_wait_ignores_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as site:
        Thread(target=site.serve_forever, args=(0.05,), daemon=True).start()
        host = RemoteHost("root@host", url=f"http://127.0.0.1:{site.server_address[1]}")
        with pytest.raises(MachineTimeoutError, match=r"GET /x gives 200: .*last: 404"):
            host.wait_for_http("/x", timeout=0)
        site.shutdown()


def test_stopped_or_missing_machine_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="vagrant is not installed: run `make vagrant`"):
        vagrant_host(tmp_path)
    program = tmp_path / "vagrant"
    program.write_text("#!/bin/sh\necho Not ready for SSH >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(MachineError, match=r"run `make vagrant` first\nNot ready for SSH"):
        vagrant_host(tmp_path)
