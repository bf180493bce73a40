"""Forwarding headers from clients are ignored; those from a trusted proxy are used."""

import json

import pytest
from acceptance import inside
from acceptance.chat_site.chat import guest, new_text
from acceptance.settings import shared_socket

FORGED = "203.0.113.66"  # RFC 5737, for documentation
FORGERIES = {"X-Forwarded-For": FORGED, "X-Real-IP": FORGED, "Forwarded": f"for={FORGED}"}


def address_of(machine, text):
    """The client address that the site stored with a message."""
    query = "select remote_addr from chat_message where text = ?"
    program = (
        "import json, sqlite3, sys; "
        "db = sqlite3.connect('file:/var/lib/site/db.sqlite3?mode=ro', uri=True); "
        f"print(json.dumps(db.execute({query!r}, [sys.argv[1]]).fetchone()))"
    )
    return json.loads(machine.succeed(f'python3 -c "{program}" "{text}"'))[0]


@pytest.mark.short
@pytest.mark.writes
def test_a_forged_client_address_is_not_believed(machine, browser):
    text = new_text("forged")
    browser.submit("/", "/say/", {"message": text}, headers=FORGERIES)
    stored = address_of(machine, text)
    assert stored
    assert stored != FORGED


@pytest.mark.short
@pytest.mark.writes
def test_a_forged_address_of_a_guest_is_not_believed(machine):
    text = new_text("forged, on a websocket")
    with guest(machine.url, headers=FORGERIES) as speaker:
        speaker.say(text)
        speaker.hear(text)
    stored = address_of(machine, text)
    assert stored
    assert stored != FORGED


@pytest.mark.short
def test_a_forged_root_path_is_not_believed(browser):
    # Headers that some server uses as the root path.
    names = (
        "Daphne-Root-Path",
        "SCRIPT_NAME",
        "Script-Name",
        "X-Script-Name",
        "X-Forwarded-Prefix",
    )
    answer = browser.get("/admin/", headers=dict.fromkeys(names, "/evil"))
    assert "/evil" not in answer.headers["Location"]


@pytest.mark.where(ASGI_SERVER="daphne")
def test_nginx_stops_forged_root_path(machine, settings):
    address, port = shared_socket(settings)
    forged = {"Daphne-Root-Path": "/evil"}
    # Past nginx, Daphne believes it.
    direct = inside.ask(machine, "/admin/", address=address, port=port, headers=forged)
    assert "/evil" in direct.headers["Location"]


@pytest.mark.short
def test_a_forged_scheme_is_not_believed(browser):
    answer = browser.submit(
        "/",
        "/say/",
        {"message": "x"},
        headers={"X-Forwarded-Proto": "https", "Origin": browser.url.replace("http:", "https:")},
    )
    assert answer.status_code == 403


@pytest.mark.short
def test_a_foreign_host_is_refused(browser):
    assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert browser.get("/", headers={"X-Forwarded-Host": "evil.example"}).status_code == 200


@pytest.mark.short
@pytest.mark.once
@pytest.mark.disruptive
def test_a_trusted_proxy_is_believed(machine, browser):
    client = machine.succeed("tail -n 1 /var/log/site/nginx-access.log").split()[0]
    # Only nginx reads it, so no process needs a restart.
    take_up = "laurel configure && systemctl reload nginx && sleep 3"
    machine.succeed(
        "cp -p /etc/laurel/site.env /tmp/site.env;"
        f" echo 'TRUSTED_PROXIES={client}' >>/etc/laurel/site.env; {take_up}"
    )
    try:
        text = new_text("through a proxy")
        answer = browser.submit(
            "/",
            "/say/",
            {"message": text},
            headers={
                "X-Forwarded-Proto": "https",
                "X-Forwarded-For": FORGED,
                "Origin": browser.url.replace("http:", "https:"),
                "Referer": browser.url.replace("http:", "https:") + "/",
            },
        )
        assert answer.status_code == 302, answer.text
        assert address_of(machine, text) == FORGED
        text = new_text("through a proxy, on a websocket")
        with guest(machine.url, headers={"X-Forwarded-For": FORGED}) as speaker:
            speaker.say(text)
            speaker.hear(text)
        assert address_of(machine, text) == FORGED
    finally:
        machine.succeed(f"mv /tmp/site.env /etc/laurel/site.env; {take_up}")
