"""A Redis elsewhere by its URL: with a password, over TLS, behind Sentinels.

Real servers on 127.0.0.1, and the channel layer that the site makes of REDIS_URL.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from django.utils.module_loading import import_string
from machine.port import free_ports

PASSWORD = "of p@ss/word"
QUOTED = "of%20p%40ss%2Fword"
START_SECONDS = 20.0
HEARD_SECONDS = 20.0
FAILOVER_SECONDS = 60.0

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server with a configuration, and waits until it takes connections on `port`."""
    # Debian's redis-tools has the server, too: what it does is chosen by the name that it is
    # called by. So no service of that name runs on this host for the tests' sake.
    program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    assert program is not None, "redis-check-rdb is not installed (package redis-tools)"
    with ExitStack() as servers:

        def start(port: int, *lines: str, name: str = "redis-server") -> "subprocess.Popen[bytes]":
            folder = tmp_path / str(port)
            folder.mkdir()
            conf = folder / "redis.conf"
            conf.write_text("\n".join([f"dir {folder}", "bind 127.0.0.1", *lines]) + "\n")
            link = folder / name
            link.symlink_to(program)
            server = subprocess.Popen(
                [link, conf], stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT
            )
            servers.callback(end, server)
            wait_for(lambda: _answers(port), START_SECONDS, lambda: (folder / "log").read_text())
            return server

        yield start


def end(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGKILL)
    server.wait()


def wait_for(found: Callable[[], bool], seconds: float, evidence: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, evidence()
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def layer_of(production: Any, kind: str, url: str) -> Any:
    said = {"LAUREL_CHANNEL_LAYER": kind, "REDIS_URL": url}
    values, _ = production.overrides({"CHANNEL_LAYERS": {}}, said)
    default = values["CHANNEL_LAYERS"]["default"]
    return lambda: import_string(default["BACKEND"])(**default["CONFIG"])


def hear(make: Callable[[], Any]) -> None:
    """Have one process's layer hear what another's says to a group."""

    async def talk() -> None:
        speaker, listener = make(), make()
        channel = await listener.new_channel()
        await listener.group_add("room", channel)
        await speaker.group_send("room", {"type": "said", "text": "ü"})
        said = await asyncio.wait_for(listener.receive(channel), HEARD_SECONDS)
        assert said == {"type": "said", "text": "ü"}
        for layer in (speaker, listener):
            if hasattr(layer, "flush"):
                await layer.flush()

    asyncio.run(talk())


KINDS = ("pubsub", "core")


@pytest.mark.parametrize("kind", KINDS)
def test_a_password_is_given(production: Any, start: Start, kind: str) -> None:
    (port,) = free_ports(1)
    start(port, f"port {port}", f'requirepass "{PASSWORD}"')
    hear(layer_of(production, kind, f"redis://:{QUOTED}@127.0.0.1:{port}/1"))
    with pytest.raises(Exception, match=r"[Aa]uth"):
        hear(layer_of(production, kind, f"redis://127.0.0.1:{port}/1"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem, of an authority that nobody knows, and its key.pem."""
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
def test_tls_is_spoken_with_who_can_show_a_certificate(
    production: Any, start: Start, certificate: Path, kind: str
) -> None:
    (port,) = free_ports(1)
    start(
        port,
        *("port 0", f"tls-port {port}", "tls-auth-clients no", f'requirepass "{PASSWORD}"'),
        *(f"tls-cert-file {certificate}/cert.pem", f"tls-key-file {certificate}/key.pem"),
    )
    url = f"rediss://:{QUOTED}@127.0.0.1:{port}"
    hear(layer_of(production, kind, f"{url}/1?ssl_ca_certs={certificate}/cert.pem"))
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        hear(layer_of(production, kind, f"{url}/1"))


@pytest.mark.parametrize("kind", KINDS)
def test_sentinels_are_asked_for_the_redis_of_the_moment(
    production: Any, start: Start, kind: str
) -> None:
    first, second, sentinel, nobody = free_ports(4)
    secret = (f'requirepass "{PASSWORD}"', f'masterauth "{PASSWORD}"')
    master = start(first, f"port {first}", *secret)
    start(second, f"port {second}", *secret, f"replicaof 127.0.0.1 {first}")
    start(
        sentinel,
        *(f"port {sentinel}", f'requirepass "{PASSWORD}"'),
        f"sentinel monitor main 127.0.0.1 {first} 1",
        f'sentinel auth-pass main "{PASSWORD}"',
        *("sentinel down-after-milliseconds main 500", "sentinel failover-timeout main 5000"),
        name="redis-sentinel",
    )
    # The first of them is away: the other is asked.
    sentinels = f"127.0.0.1:{nobody},127.0.0.1:{sentinel}"
    layer = layer_of(production, kind, f"redis+sentinel://:{QUOTED}@{sentinels}/main/1")
    hear(layer)

    def of_sentinel(*command: str) -> str:
        return subprocess.run(
            ["redis-cli", "-p", str(sentinel), "--no-auth-warning", *command],
            env={**os.environ, "REDISCLI_AUTH": PASSWORD},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def known() -> str:
        return of_sentinel("sentinel", "replicas", "main")

    wait_for(lambda: str(second) in known(), FAILOVER_SECONDS, known)

    def address() -> str:
        return of_sentinel("sentinel", "get-master-addr-by-name", "main")

    end(master)
    wait_for(lambda: str(second) in address(), FAILOVER_SECONDS, address)
    hear(layer)
