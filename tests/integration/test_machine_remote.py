"""A host that is reached by SSH, with a server in this process that runs the commands here."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread, Timer

import paramiko
import pytest
from machine import MachineError, MachineTimeoutError, RemoteHost, UnreachableError
from machine.ssh import make_key
from machine.tunnel import _pump
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED


class Login(paramiko.ServerInterface):
    """Accepts every key, and runs the client's commands."""

    def get_allowed_auths(self, _user: str) -> str:
        return "publickey"

    def check_auth_publickey(self, *_: object) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, *_: object) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        Thread(target=run, args=(channel, command.decode()), daemon=True).start()
        return True


def run(channel: paramiko.Channel, command: str) -> None:
    near, far = socket.socketpair()
    shell = ["sh", "-c", command]
    with near, subprocess.Popen(shell, stdin=far, stdout=far, stderr=subprocess.PIPE) as process:
        far.close()
        Thread(target=_pump, args=(near, channel), daemon=True).start()
        _, error = process.communicate()
        with suppress(OSError):  # the client may have hung up
            channel.sendall_stderr(error)
            channel.send_exit_status(process.returncode)
            channel.close()


class Server(ThreadingTCPServer):
    """An SSH server on a free port; `transports` are its connections so far."""

    daemon_threads = True
    block_on_close = False
    transports: list[paramiko.Transport]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for transport in self.transports:
            transport.close()


class Connection(BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        transport = paramiko.Transport(self.request)
        transport.add_server_key(paramiko.ECDSAKey.generate())
        self.server.transports.append(transport)  # before the client can continue
        transport.start_server(server=Login())
        transport.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Connection)
    server.transports = []
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.stop()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture
def host(server: Server, key: Path) -> Iterator[RemoteHost]:
    target = f"root@127.0.0.1:{server.server_address[1]}"
    with RemoteHost(target, key=key, known_hosts=False) as host:
        yield host


def test_failure_shows_the_command_and_its_output(host: RemoteHost) -> None:
    with pytest.raises(MachineError, match=r"failed: `echo no >&2; false` \(exit status 1\)\nno"):
        host.succeed("echo no >&2; false")
    assert host.fail("echo seen; false") == "seen\n"
    with pytest.raises(MachineError, match="should have failed: `true`"):
        host.fail("true")


def test_connection_lost_during_a_command_is_reported(host: RemoteHost, server: Server) -> None:
    host.succeed("true")
    Timer(0.3, server.transports[0].close).start()
    with pytest.raises(UnreachableError, match="lost during: sleep 2"):
        host.execute("sleep 2")
    assert host.succeed("echo next") == "next\n"


def test_command_has_a_deadline(host: RemoteHost) -> None:
    with pytest.raises(MachineTimeoutError, match=r"still runs after 0\.5 s: sleep 3"):
        host.execute("sleep 3", timeout=0.5)
    assert host.succeed("echo next") == "next\n"


def test_refusal_of_sudo_is_reported(
    server: Server, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    target = f"somebody@127.0.0.1:{server.server_address[1]}"
    with (
        RemoteHost(target, key=key, known_hosts=False) as host,
        pytest.raises(MachineTimeoutError, match=r"(?s)SSH: not so .*a password is required"),
    ):
        host.wait_for_ssh(0.5)


def test_unreachable_host_is_reported(server: Server, host: RemoteHost) -> None:
    server.stop()
    with pytest.raises(UnreachableError, match=f"{host.name}: "):
        host.execute("true")
    with pytest.raises(MachineTimeoutError, match="SSH: not so after"):
        host.wait_for_ssh(0.5)


def test_http_wait_ignores_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as site:
        Thread(target=site.serve_forever, args=(0.05,), daemon=True).start()
        host = RemoteHost("root@host", url=f"http://127.0.0.1:{site.server_address[1]}")
        with pytest.raises(MachineTimeoutError, match=r"GET /x gives 200: .*last: 404"):
            host.wait_for_http("/x", timeout=0.2)
        site.shutdown()
