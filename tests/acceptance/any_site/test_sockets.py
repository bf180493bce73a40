"""Sockets: where processes listen and answer, and which ports are open."""

import re

import pytest
from acceptance import inside
from acceptance.choice import each_group
from acceptance.processes import processes
from acceptance.settings import SHARING, shared_socket


@pytest.mark.short
@pytest.mark.where(ASGI_SERVER=SHARING)
def test_shared_socket_answers(machine, settings, health_path, healthy_status):
    address, port = shared_socket(settings)
    assert inside.ask(machine, health_path, address=address, port=port).status == healthy_status


@pytest.mark.short
@pytest.mark.unless(ASGI_SERVER=SHARING)
def test_port_is_closed_without_shared_socket(machine, settings):
    # A server that accepts connections there would never answer.
    assert machine.succeed(f"ss -Hltn 'sport = :{settings['BIND_PORT']}'") == ""


@pytest.mark.short
@each_group
def test_each_process_answers_on_its_own_socket(machine, group, health_path, healthy_status):
    for process in processes(machine, group):
        assert inside.ask(machine, health_path, socket=process.socket).status == healthy_status


@each_group
def test_nginx_may_use_each_socket(machine, group):
    for process in processes(machine, group):
        machine.succeed(f"runuser -u www-data -- test -w {process.socket}")


def test_only_ssh_and_http_listen_beyond_loopback(machine):
    shown = machine.succeed("ss -Hltun")
    beyond = set()
    for line in shown.splitlines():
        protocol, _, _, _, local, *_ = line.split()
        address, port = local.rsplit(":", 1)
        # A DHCP client; it answers no requests.
        if protocol == "udp" and port in ("68", "546"):
            continue
        if not re.match(r"127\.|\[::1\]", address):
            beyond.add(f"{protocol}/{port}")
    assert beyond == {"tcp/22", "tcp/80"}


def test_redis_listens_on_loopback_alone(host):
    assert host.socket("tcp://127.0.0.1:6379").is_listening
    assert not host.socket("tcp://0.0.0.0:6379").is_listening


@pytest.mark.short
@pytest.mark.where(ASGI_SERVER=SHARING)
def test_shared_socket_is_ipv4_loopback_alone(host, settings):
    # With `localhost` on both sides, supervisor binds one address and nginx tries two.
    address, port = shared_socket(settings)
    assert address.startswith("127.")
    assert host.socket(f"tcp://{address}:{port}").is_listening
    assert not host.socket(f"tcp://::1:{port}").is_listening
