"""nginx: its configuration, upstreams and addresses, and files that it must not serve."""

import re

import pytest
from acceptance import inside
from acceptance.choice import each_group
from acceptance.processes import connections, processes
from acceptance.settings import SHARING, shared_socket

SITE = "/etc/nginx/sites-available/site.conf"
UPSTREAMS = {"asgi": "channels-backend", "wsgi": "http-backend"}


def upstream(host, group):
    """The body of the upstream block of a group."""
    text = host.file(SITE).content_string
    (found,) = re.findall(rf"^upstream {UPSTREAMS[group]} {{$(.*?)^}}", text, re.M | re.S)
    return found


def test_configuration_has_no_warning(machine):
    result = machine.execute("nginx -t -q")
    assert (result.status, result.stderr) == (0, "")


@pytest.mark.short
def test_site_answers_through_nginx(browser, health_path, healthy_status):
    assert browser.get(health_path).status_code == healthy_status


@pytest.mark.short
@each_group
def test_upstream_lists_each_process_and_no_other(machine, host, group):
    listed = re.findall(r"^ *server unix:(\S+) max_fails=0;", upstream(host, group), re.M)
    assert listed == [process.socket for process in processes(machine, group)]


@pytest.mark.short
@pytest.mark.where(ASGI_SERVER=SHARING)
def test_refused_requests_go_to_the_shared_socket(host, settings):
    address, port = shared_socket(settings)
    assert f"server {address}:{port} max_fails=0;" in host.file(SITE).content_string


@pytest.mark.short
@pytest.mark.unless(ASGI_SERVER=SHARING)
def test_no_shared_socket_if_the_server_has_none(host):
    assert "shared-socket" not in host.file(SITE).content_string


def test_site_accepts_the_machines_own_addresses(machine, health_path, healthy_status):
    shown = machine.succeed("ip -4 -br address show scope global | awk '{print $3}'")
    for name in (shown.split("/")[0], "127.0.0.1", "localhost"):
        assert inside.ask(machine, health_path, address=name).status == healthy_status


@pytest.mark.disruptive
def test_address_counts_as_soon_as_the_machine_has_it(machine, settings, health_path):
    page, address = settings["PAGE_PATH"] or health_path, "192.0.2.77"

    def status():
        return inside.ask(machine, page, headers={"Host": address}).status

    machine.succeed(f"ip address add {address}/32 dev lo")
    try:
        assert status() < 400
    finally:
        machine.succeed(f"ip address del {address}/32 dev lo")
    # A health page may answer to every name.
    assert page == health_path or status() == 400


def test_allowed_hosts_hold_no_wildcard(machine):
    environment = dict(
        line.split("=", 1) for line in machine.succeed("cat /run/laurel/environment").splitlines()
    )
    hosts = environment["ALLOWED_HOSTS"].split(",")
    assert "*" not in hosts
    assert "127.0.0.1" in hosts


@pytest.mark.once
@pytest.mark.parametrize(
    "path",
    [
        "/.env",
        "/laurel.env",
        "/db.sqlite3",
        "/manage.py",
        "/requirements.txt",
        "/app/manage.py",
        "/../app/manage.py",
        "/static/../../app/manage.py",
        "/static/%2e%2e/%2e%2e/app/manage.py",
        "/.git/config",
    ],
)
def test_code_and_data_are_never_served(machine, path):
    answer = inside.ask(machine, path)
    assert answer.status in (400, 404)
    for secret in ("DJANGO_SETTINGS_MODULE", "SQLite format", "--hash=", "SECRET_KEY="):
        assert secret not in answer.text


def test_only_a_websocket_asks_a_process_for_an_upgrade(machine):
    # tests/integration/test_nginx_site.py tests the map behind this variable.
    shown = machine.succeed("nginx -T 2>/dev/null")
    values = re.findall(r"^\s*proxy_set_header\s+Connection\s+(.+);", shown, re.MULTILINE)
    assert values == ["$upstream_connection"]


@pytest.mark.once
def test_connections_to_the_processes_are_kept(machine, browser, health_path):
    for _ in range(10):
        browser.get(health_path)
    kept = [*connections(machine).values(), *connections(machine, "wsgi").values()]
    assert sum(kept) > 0
