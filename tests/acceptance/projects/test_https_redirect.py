"""A project that knows nothing but HTTPS, with and without TLS in front of the machine."""

import pytest


def test_without_tls_it_serves_plain_http(browser):
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers
    browser.get("/accounts/login/")
    assert all(not cookie.secure for cookie in browser.cookies)


def test_what_was_turned_off_is_shown(machine):
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
