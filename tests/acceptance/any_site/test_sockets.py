"""What listens, where, and that it answers."""

import re

from acceptance import inside
from acceptance.daphnes import daphnes


def test_shared_socket_answers(machine, health_path, well):
    assert inside.ask(machine, health_path, port=8000).status == well


def test_each_process_answers_on_its_own_socket(machine, health_path, well):
    for daphne in daphnes(machine):
        assert inside.ask(machine, health_path, socket=daphne.socket).status == well


def test_nginx_may_use_each_socket(machine):
    for daphne in daphnes(machine):
        machine.succeed(f"runuser -u www-data -- test -w {daphne.socket}")


def test_only_ssh_and_http_listen_beyond_loopback(machine):
    shown = machine.succeed("ss -Hltun")
    beyond = set()
    for line in shown.splitlines():
        protocol, _, _, _, local, *_ = line.split()
        address, port = local.rsplit(":", 1)
        # A DHCP client receives on the card itself; it answers nobody.
        if protocol == "udp" and port in ("68", "546"):
            continue
        if not re.match(r"127\.|\[::1\]", address):
            beyond.add(f"{protocol}/{port}")
    assert beyond == {"tcp/22", "tcp/80"}


def test_redis_listens_on_loopback_alone(host):
    assert host.socket("tcp://127.0.0.1:6379").is_listening
    assert not host.socket("tcp://0.0.0.0:6379").is_listening


def test_shared_socket_is_ipv4_loopback_alone(host):
    # With `localhost` on both sides, supervisor binds one address and nginx tries two.
    assert host.socket("tcp://127.0.0.1:8000").is_listening
    assert not host.socket("tcp://::1:8000").is_listening
