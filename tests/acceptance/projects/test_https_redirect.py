"""A project that accepts only HTTPS, with and without TLS in front of the machine."""

import json

import pytest

# Without a password: hashing one would take half a minute under emulation.
LOG_IN = """
from django.contrib.auth import get_user_model
from django.test import Client
client = Client()
client.force_login(get_user_model().objects.get_or_create(username="proof")[0])
print("sessionid=" + client.cookies["sessionid"].value)
"""


def test_a_member_is_heard_by_members_on_every_process(machine, hear):
    cookie = machine.succeed("laurel manage shell", stdin=LOG_IN).split()[-1]
    said = hear(
        "/ws/lounge/", json.dumps({"text": "by plain HTTP"}), "by plain HTTP", cookie=cookie
    )
    assert all(json.loads(heard)["member"] == "proof" for heard in said)


def test_without_tls_it_serves_plain_http(browser):
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers
    browser.get("/accounts/login/")
    assert all(not cookie.secure for cookie in browser.cookies)


def test_settings_command_shows_disabled_https(machine):
    shown = machine.succeed("laurel settings")
    for name in ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"):
        assert f"{name} = False  <- TLS_IN_FRONT" in shown


@pytest.mark.once
@pytest.mark.disruptive
@pytest.mark.own
def test_with_tls_in_front_it_redirects_and_does_not_loop(machine, browser):
    client = machine.succeed("tail -n 1 /var/log/site/nginx-access.log").split()[0]
    machine.succeed(
        "cp -p /etc/laurel/site.env /tmp/site.env;"
        f" printf 'TLS_IN_FRONT=yes\\nTRUSTED_PROXIES={client}\\n' >>/etc/laurel/site.env;"
        " laurel reload",
        timeout=600,
    )
    try:
        plain = browser.get("/")
        assert plain.status_code == 301
        assert plain.headers["Location"].startswith("https://")
        tls = {"X-Forwarded-Proto": "https"}
        answer = browser.get("/accounts/login/", headers=tls)
        assert answer.status_code == 200
        assert "Strict-Transport-Security" in answer.headers
        assert "Secure" in answer.headers["Set-Cookie"]
    finally:
        machine.succeed("mv /tmp/site.env /etc/laurel/site.env; laurel reload", timeout=600)
