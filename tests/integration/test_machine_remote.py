"""A remote host: commands over SSH to a server in this process that runs them here, and HTTP."""

import os
import socket
import socketserver
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread, Timer
from typing import IO, Any

import paramiko
import pytest
from machine import MachineError, MachineTimeoutError, RemoteHost, UnreachableError
from machine.ssh import make_key
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED


class Handler(paramiko.ServerInterface):
    """Accepts every key, and runs the client's commands; paramiko itself refuses to forward."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        Thread(target=serve, args=(channel, command.decode()), daemon=True).start()
        return True


def serve(channel: paramiko.Channel, command: str) -> None:
    """Run a command as a login shell does, with the client's input."""
    pipe = subprocess.PIPE
    shell = ["sh", "-c", command]
    with (
        subprocess.Popen(shell, stdin=pipe, stdout=pipe, stderr=pipe) as process,
        suppress(OSError),  # the client may hang up
    ):
        assert process.stdin
        assert process.stdout
        assert process.stderr
        Thread(target=feed, args=(channel, process.stdin), daemon=True).start()
        for data in iter(partial(os.read, process.stdout.fileno(), 65536), b""):
            channel.sendall(data)
        channel.sendall_stderr(process.stderr.read())
        channel.send_exit_status(process.wait())
        channel.close()


def feed(channel: paramiko.Channel, stdin: IO[bytes]) -> None:
    with suppress(BrokenPipeError), stdin:
        for data in iter(partial(channel.recv, 65536), b""):
            stdin.write(data)
            stdin.flush()


class Server(socketserver.ThreadingTCPServer):
    """An SSH server on a free port; `transports` are its connections so far."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.transports: list[paramiko.Transport] = []
        self.port = self.server_address[1]
        self._key = paramiko.ECDSAKey.generate()
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        del client_address
        transport = paramiko.Transport(request)
        transport.add_server_key(self._key)
        self.transports.append(transport)  # before the client can continue
        transport.start_server(server=Handler())
        transport.join()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for transport in self.transports:
            transport.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture
def host(server: Server, key: Path) -> Iterator[RemoteHost]:
    with RemoteHost(f"root@127.0.0.1:{server.port}", key=key, known_hosts=False) as host:
        yield host


def test_quotes_input_and_bytes_arrive_unchanged(host: RemoteHost, tmp_path: Path) -> None:
    assert host.execute("echo out; echo err >&2; kill -9 $$") == (128 + 9, "out\n", "err\n")
    assert host.succeed("""printf '%s' "it's" '"$HOME"' ü; cat""", stdin="!") == 'it\'s"$HOME"ü!'
    path = tmp_path / "a 'file'"
    path.write_bytes(b"\xff\x00\n")
    assert host.host.file(str(path)).content == b"\xff\x00\n"


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
    target = f"somebody@127.0.0.1:{server.port}"
    with (
        RemoteHost(target, key=key, known_hosts=False) as host,
        pytest.raises(MachineTimeoutError, match=r"(?s)SSH: not so .*a password is required"),
    ):
        host.wait_for_ssh(0.5)


def test_unreachable_host_is_reported(server: Server, host: RemoteHost) -> None:
    server.stop()
    with pytest.raises(UnreachableError, match=f"root@127.0.0.1:{server.port}: "):
        host.execute("true")
    with pytest.raises(MachineTimeoutError, match="SSH: not so after"):
        host.wait_for_ssh(0.5)


def test_site_through_ssh_survives_a_lost_connection(server: Server, key: Path) -> None:
    target = f"root@127.0.0.1:{server.port}"
    with RemoteHost(target, key=key, through_ssh=True, known_hosts=False) as host:
        port = int(host.url.rpartition(":")[2])
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                assert client.recv(64) == b""  # the server refuses to forward
            host._hang_up()  # as a reboot does
        assert len(server.transports) == 2
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10)


def test_http_wait_ignores_proxies_and_redirects(monkeypatch: pytest.MonkeyPatch) -> None:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        host = RemoteHost("root@host", url=f"http://127.0.0.1:{server.server_address[1]}/")
        assert host.wait_for_http("/", range(400), timeout=10).status_code == 302
        with pytest.raises(MachineTimeoutError, match=r"GET /x gives 200: .*last: 302 Found"):
            host.wait_for_http("/x", timeout=0.2)
        server.shutdown()
