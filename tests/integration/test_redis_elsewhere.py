"""REDIS_URL with a password, over TLS, and behind Sentinels, to real servers on 127.0.0.1."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.utils.module_loading import import_string
from machine.port import free_ports

KINDS = ("pubsub", "core")
PASSWORD = "of p@ss/word"
QUOTED = "of%20p%40ss%2Fword"
REQUIRE_PASSWORD = f'requirepass "{PASSWORD}"'
LIMIT_SECONDS = 60.0

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server with a configuration, and waits until it accepts connections on `port`."""
    # The package redis-tools has the server under this name, and starts no service on this host.
    program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    assert program is not None, "redis-check-rdb is not installed (package redis-tools)"
    servers = []

    def start(port: int, *lines: str, name: str = "redis-server") -> "subprocess.Popen[bytes]":
        folder = tmp_path / str(port)
        folder.mkdir()
        conf, log, link = folder / "redis.conf", folder / "log", folder / name
        conf.write_text("\n".join([f"dir {folder}", "bind 127.0.0.1", *lines]) + "\n")
        link.symlink_to(program)
        with log.open("wb") as output:
            servers.append(subprocess.Popen([link, conf], stdout=output, stderr=output))
        wait_for(lambda: accepts(port), log.read_text)
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
        server.wait()


def wait_for(condition: Callable[[], bool], evidence: Callable[[], str]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, evidence()
        time.sleep(0.05)


def accepts(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def send(production: Any, kind: str, url: str) -> None:
    """Send a message from the channel layer of one process to that of another."""
    environment = {"LAUREL_CHANNEL_LAYER": kind, "REDIS_URL": url}
    values, _ = production.overrides({"CHANNEL_LAYERS": {}}, environment)
    own = values["CHANNEL_LAYERS"]["default"]
    message = {"type": "said", "text": "ü"}

    async def deliver() -> None:
        sender, receiver = (import_string(own["BACKEND"])(**own["CONFIG"]) for _ in range(2))
        channel = await receiver.new_channel()
        await receiver.group_add("room", channel)
        await sender.group_send("room", message)
        assert await asyncio.wait_for(receiver.receive(channel), LIMIT_SECONDS) == message
        for layer in (sender, receiver):
            if hasattr(layer, "flush"):
                await layer.flush()

    asyncio.run(deliver())


@pytest.mark.parametrize("kind", KINDS)
def test_password_is_sent(production: Any, start: Start, kind: str) -> None:
    (port,) = free_ports(1)
    start(port, f"port {port}", REQUIRE_PASSWORD)
    send(production, kind, f"redis://:{QUOTED}@127.0.0.1:{port}/1")
    with pytest.raises(Exception, match=r"[Aa]uth"):
        send(production, kind, f"redis://127.0.0.1:{port}/1")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with key.pem and its self-signed cert.pem."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=redis.example"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_tls_certificate_is_verified(
    production: Any, start: Start, certificate: Path, kind: str
) -> None:
    (port,) = free_ports(1)
    start(
        port,
        *("port 0", f"tls-port {port}", "tls-auth-clients no", REQUIRE_PASSWORD),
        *(f"tls-cert-file {certificate}/cert.pem", f"tls-key-file {certificate}/key.pem"),
    )
    url = f"rediss://:{QUOTED}@127.0.0.1:{port}/1"
    send(production, kind, f"{url}?ssl_ca_certs={certificate}/cert.pem")
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        send(production, kind, url)


def test_layers_follow_a_failover_of_sentinels(production: Any, start: Start) -> None:
    first, second, sentinel, closed = free_ports(4)
    # Without the delay a replica would wait for five seconds for others.
    lines = (REQUIRE_PASSWORD, f'masterauth "{PASSWORD}"', "repl-diskless-sync-delay 0")
    master = start(first, f"port {first}", *lines)
    start(second, f"port {second}", *lines, f"replicaof 127.0.0.1 {first}")

    def wait_until_told(texts: tuple[str, ...], port: int, *command: str) -> None:
        """Wait until the answer of a server to a command has each of `texts`."""

        def answer() -> str:
            return subprocess.run(
                ["redis-cli", "-p", str(port), "--no-auth-warning", *command],
                env={**os.environ, "REDISCLI_AUTH": PASSWORD},
                capture_output=True,
                text=True,
                check=True,
            ).stdout

        wait_for(lambda: all(text in answer() for text in texts), answer)

    # A Sentinel that starts later learns of the replica at once, instead of ten seconds later.
    wait_until_told(("state=online",), first, "info", "replication")
    start(
        sentinel,
        *(f"port {sentinel}", REQUIRE_PASSWORD, f"sentinel monitor main 127.0.0.1 {first} 1"),
        f'sentinel auth-pass main "{PASSWORD}"',
        *("sentinel down-after-milliseconds main 500", "sentinel failover-timeout main 5000"),
        name="redis-sentinel",
    )
    url = f"redis+sentinel://:{QUOTED}@127.0.0.1:{sentinel}/main/1"
    send(production, "core", url)
    # redis-py retries a Sentinel that is down for some eight seconds before it asks the next one.
    send(production, "pubsub", url.replace("@", f"@127.0.0.1:{closed},"))

    wait_until_told((str(second),), sentinel, "sentinel", "replicas", "main")
    master.kill()
    # The flags have `o_down` or `failover_in_progress` until the other server is the master.
    new_master = (f"port\n{second}\n", "flags\nmaster\n")
    wait_until_told(new_master, sentinel, "sentinel", "master", "main")
    for kind in KINDS:
        send(production, kind, url)
