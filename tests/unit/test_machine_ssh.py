"""Commands and tunnels over SSH, against a server in this process that runs them here."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from threading import Thread, Timer
from typing import IO
from urllib.parse import urlsplit

import paramiko
import pytest
from machine import MachineError, MachineTimeoutError, RemoteHost, UnreachableError
from machine.ssh import Login, make_key
from paramiko.common import AUTH_SUCCESSFUL, OPEN_FAILED_CONNECT_FAILED, OPEN_SUCCEEDED


class Door(paramiko.ServerInterface):
    """Lets anybody in, and runs what they ask for; forwards to port 7 are answered."""

    def __init__(self) -> None:
        self.forwarded: set[int] = set()

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        del origin
        if destination != ("127.0.0.1", 7):
            return OPEN_FAILED_CONNECT_FAILED
        self.forwarded.add(chanid)
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        Thread(target=self.serve, args=(channel, command.decode()), daemon=True).start()
        return True

    @staticmethod
    def serve(channel: paramiko.Channel, command: str) -> None:
        process = subprocess.Popen(  # noqa: S602 # what a login shell does
            command, shell=True, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        assert stdin
        assert stdout
        assert stderr
        with process, suppress(OSError):  # the client may hang up
            Thread(target=Door.feed, args=(channel, stdin), daemon=True).start()
            for data in iter(lambda: stdout.read1(), b""):
                channel.sendall(data)
            channel.sendall_stderr(stderr.read())
            channel.send_exit_status(process.wait())
            channel.close()

    @staticmethod
    def feed(channel: paramiko.Channel, stdin: IO[bytes]) -> None:
        with suppress(BrokenPipeError), stdin:
            for data in iter(lambda: channel.recv(65536), b""):
                stdin.write(data)
                stdin.flush()


class Server:
    """An SSH server on a free port; `transports` are the connections it has had."""

    def __init__(self) -> None:
        self.transports: list[paramiko.Transport] = []
        self._key = paramiko.ECDSAKey.generate()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(client)
            transport.add_server_key(self._key)
            door = Door()
            self.transports.append(transport)  # before the client can go on
            transport.start_server(server=door)
            Thread(target=self._echo, args=(transport, door), daemon=True).start()

    @staticmethod
    def _echo(transport: paramiko.Transport, door: Door) -> None:
        """Answer a forwarded connection with what it sends, in capitals, until it sends no more."""
        while transport.is_active():
            channel = transport.accept(1)
            if channel is not None and channel.get_id() in door.forwarded:
                Thread(target=Server._shout, args=(channel,), daemon=True).start()

    @staticmethod
    def _shout(channel: paramiko.Channel) -> None:
        for data in iter(lambda: channel.recv(1024), b""):
            channel.sendall(data.upper())
        channel.close()

    def close(self) -> None:
        with suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RDWR)  # accept() would keep it open
        self._listener.close()
        for transport in self.transports:
            transport.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def host(server: Server, tmp_path: Path) -> Iterator[RemoteHost]:
    make_key(tmp_path / "key")
    with RemoteHost(
        f"root@127.0.0.1:{server.port}", key=tmp_path / "key", known_hosts=False
    ) as host:
        yield host


def test_execute_returns_status_and_both_outputs(host: RemoteHost) -> None:
    assert host.execute("echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")


def test_any_quoting_reaches_the_shell_as_written(host: RemoteHost) -> None:
    assert host.succeed("""printf '%s' "it's" '"$HOME"' ü; true""") == 'it\'s"$HOME"ü'


def test_commands_read_stdin(host: RemoteHost) -> None:
    assert host.succeed("tr a-z A-Z", stdin="quiet\n") == "QUIET\n"


def test_long_outputs_arrive_whole(host: RemoteHost) -> None:
    size = 4_000_000  # more than the window of an SSH channel, on both
    result = host.execute(f"yes | head -c {size}; yes | head -c {size} >&2")
    assert (len(result.stdout), len(result.stderr)) == (size, size)


def test_succeed_and_fail_name_the_command_and_what_it_wrote(host: RemoteHost) -> None:
    with pytest.raises(MachineError, match=r"failed: `echo no >&2; false` \(exit status 1\)\nno"):
        host.succeed("echo no >&2; false")
    assert host.fail("echo seen; false") == "seen\n"
    with pytest.raises(MachineError, match="should have failed: `true`"):
        host.fail("true")


def test_one_connection_serves_all_commands(host: RemoteHost, server: Server) -> None:
    for _ in range(3):
        host.succeed("true")
    assert host.host.run("true").rc == 0
    assert len(server.transports) == 1


def test_a_lost_connection_is_opened_again(host: RemoteHost, server: Server) -> None:
    host.succeed("true")
    server.transports[0].close()
    assert host.succeed("echo back") == "back\n"


def test_a_connection_lost_during_a_command_is_an_error(host: RemoteHost, server: Server) -> None:
    host.succeed("true")
    Timer(0.3, server.transports[0].close).start()
    with pytest.raises(UnreachableError, match="lost during: sleep 2"):
        host.execute("sleep 2")
    assert host.succeed("echo next") == "next\n"


def test_what_a_command_leaves_behind_does_not_hold_it_up(host: RemoteHost) -> None:
    start = time.monotonic()
    assert host.execute("sleep 3 & echo out; echo err >&2") == (0, "out\n", "err\n")
    assert time.monotonic() - start < 2


def test_a_command_that_a_signal_ended_has_the_shells_status(host: RemoteHost) -> None:
    assert host.execute("kill -9 $$").status == 128 + 9


def test_commands_of_two_threads_run_at_the_same_time(host: RemoteHost, tmp_path: Path) -> None:
    waiting = Thread(target=host.wait_until_succeeds, args=(f"test -e {tmp_path}/go", 5))
    waiting.start()
    host.succeed(f"touch {tmp_path}/go")
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_host_that_refuses_sudo_says_so(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = tmp_path / "sudo"
    refusing.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    make_key(tmp_path / "key")
    target = f"somebody@127.0.0.1:{server.port}"
    with RemoteHost(target, key=tmp_path / "key", known_hosts=False) as host:
        assert host.execute("true") == (1, "", "sudo: a password is required\n")


def test_a_command_has_a_deadline(host: RemoteHost) -> None:
    start = time.monotonic()
    with pytest.raises(MachineTimeoutError, match=r"still runs after 0\.5 s: sleep 3"):
        host.execute("sleep 3", timeout=0.5)
    assert time.monotonic() - start < 2
    assert host.succeed("echo next") == "next\n"


def test_a_host_that_does_not_answer_is_unreachable(server: Server, tmp_path: Path) -> None:
    server.close()
    make_key(tmp_path / "key")
    host = RemoteHost(f"root@127.0.0.1:{server.port}", key=tmp_path / "key", known_hosts=False)
    with pytest.raises(UnreachableError, match=f"root@127.0.0.1:{server.port}: "):
        host.execute("true")
    with pytest.raises(MachineTimeoutError, match="SSH: not so after"):
        host.wait_for_ssh(0.5)


def test_waits_ask_until_it_is_so(host: RemoteHost, tmp_path: Path) -> None:
    host.wait_for_ssh(5)
    counter = tmp_path / "count"
    command = f"echo x >> {counter}; test $(wc -l < {counter}) -ge 2 && echo done"
    assert host.wait_until_succeeds(command, 10) == "done\n"
    with pytest.raises(MachineTimeoutError, match=r"success of `false`.*exit status 1"):
        host.wait_until_succeeds("false", 0.2)


def test_testinfra_reads_bytes_and_quotes_arguments(host: RemoteHost, tmp_path: Path) -> None:
    path = tmp_path / "a 'file'"
    path.write_bytes(b"\xff\x00\n")
    assert host.host.file(str(path)).content == b"\xff\x00\n"
    assert host.host.check_output("printf %%s %s", "it's") == "it's"


def test_a_tunnel_leads_to_a_port_of_the_hosts_own(host: RemoteHost) -> None:
    with host.tunnel(7) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(10)
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: client.recv(64), b"")) == b"HELLO"


def test_a_tunnel_to_nobody_closes_the_connection(host: RemoteHost) -> None:
    with host.tunnel(9) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(10)
        assert client.recv(64) == b""


def test_the_site_is_reached_through_ssh_where_one_likes(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    target = f"root@127.0.0.1:{server.port}"
    with RemoteHost(target, key=tmp_path / "key", through_ssh=True, known_hosts=False) as host:
        url = urlsplit(host.url)
        assert (url.scheme, url.hostname) == ("http", "127.0.0.1")
        assert url.port != server.port
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", url.port or 0), 10) as client:
                assert client.recv(64) == b""  # this server forwards to no port 80
            host._hang_up()  # as a reboot does
        assert len(server.transports) == 2
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", url.port or 0), 10)


def test_what_needs_the_hypervisor_is_refused_by_name(host: RemoteHost) -> None:
    for refused in (host.crash, host.start, host.shutdown, host.block_network):
        with pytest.raises(MachineError, match=f"{refused.__name__} needs the hypervisor"):
            refused()


@pytest.mark.parametrize(
    ("target", "address", "port", "url"),
    [
        ("admin@example.org", "example.org", 22, "http://example.org"),
        ("admin@192.0.2.1:2222", "192.0.2.1", 2222, "http://192.0.2.1"),
        ("admin@[2001:db8::1]:2222", "2001:db8::1", 2222, "http://[2001:db8::1]"),
    ],
)
def test_a_target_is_user_at_address(target: str, address: str, port: int, url: str) -> None:
    host = RemoteHost(target)
    assert host.login == Login(address=address, port=port, user="admin", key=None, known_hosts=True)
    assert host.url == url


@pytest.mark.parametrize("target", ["example.org", "admin@", "admin@host:port", ""])
def test_a_target_of_another_form_is_refused(target: str) -> None:
    with pytest.raises(MachineError, match=r"not of the form user@address"):
        RemoteHost(target)


def test_the_printed_login_works_without_asking() -> None:
    login = Login(address="127.0.0.1", port=2222, user="debian", key=Path("/k"), known_hosts=False)
    assert " ".join(login.command_line()) == (
        "ssh -i /k -o IdentitiesOnly=yes -o StrictHostKeyChecking=no "
        "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p 2222 debian@127.0.0.1"
    )
