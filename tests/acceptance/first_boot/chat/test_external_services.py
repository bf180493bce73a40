"""Two instances that boot at the same moment, share PostgreSQL and Redis, and have a balancer.

For the chat only: another project need not pass messages from one websocket to another.
"""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from acceptance.chat_site.chat import guest, new_text
from acceptance.cloud_init import site_env
from acceptance.first_boot.chat.services import GUESTS_HOST, Database, balancer, postgresql, redis
from acceptance.first_boot.instances import start_side_by_side
from acceptance.settings import SITE_ENV
from acceptance.web import Browser
from machine import Machine

SECRET_KEY = "shared-by-all-instances-and-of-this-proof-alone-00"
ADMIN, PASSWORD = "first-admin", "correct horse of the proof"
FORGED = "203.0.113.66"  # RFC 5737, for documentation

# Prints the cookie of a session for `name`.
LOG_IN = """
from django.contrib.auth import get_user_model
from django.test import Client
client = Client()
client.force_login(get_user_model().objects.get(username="{name}"))
print(client.cookies.output(attrs=[], header="", sep="; ").strip())
"""

SETTINGS = f"""\
SECRET_KEY={SECRET_KEY}
TRUSTED_PROXIES={GUESTS_HOST}
DJANGO_SUPERUSER_USERNAME={ADMIN}
DJANGO_SUPERUSER_EMAIL=admin@example.com
DJANGO_SUPERUSER_PASSWORD={PASSWORD}
"""


@dataclass(frozen=True)
class Site:
    """Two machines, their database, and the URL of their balancer."""

    machines: tuple[Machine, Machine]
    database: Database
    url: str


@pytest.fixture(scope="module")
def site(image):
    with ExitStack() as stack:
        database = stack.enter_context(postgresql())
        redis_url = stack.enter_context(redis())
        text = f"{SETTINGS}DATABASE_URL={database.url()}\nREDIS_URL={redis_url}\n"

        def instance(name: str, cpus: int) -> Machine:
            settings = site_env(f"{text}export PGAPPNAME={name}\n")
            return stack.enter_context(
                Machine(image, name=name, hostname=name, cpus=cpus, extra_user_data=settings)
            )

        machines = (instance("web-1", 2), instance("web-2", 1))
        start_side_by_side(*machines)
        url = stack.enter_context(balancer([machine.http_port for machine in machines]))
        yield Site(machines, database, url)


def test_each_instance_is_healthy(site):
    for machine in site.machines:
        assert machine.succeed("laurel status")
        assert machine.succeed("systemctl list-units --state=failed --plain --no-legend") == ""


def test_each_instance_reaches_database_and_channel_layer(site):
    for machine in site.machines:
        answer = Browser(machine.url).get("/readyz")
        assert answer.status_code == 200, answer.text


def test_no_instance_runs_its_own_redis_or_database(site):
    for machine in site.machines:
        state = machine.execute("systemctl is-active redis-server").stdout.strip()
        assert state == "inactive"
        machine.fail("pgrep -x redis-server")
        machine.fail("test -e /var/lib/site/db.sqlite3")


def test_given_secret_key_is_used(site):
    for machine in site.machines:
        assert machine.succeed(f"grep SECRET_KEY= {SITE_ENV}") == f"SECRET_KEY={SECRET_KEY}\n"


def journal_of_migrate(machine: Machine) -> str:
    return machine.succeed("journalctl -b -u laurel-migrate --no-pager -o cat")


def statements(log: Path) -> str:
    return log.read_text(errors="replace")


def test_database_was_migrated_once(site):
    made = re.findall(r'CREATE TABLE "(\w+)"', statements(site.database.log))
    assert {"django_migrations", "auth_user", "chat_message"} <= set(made)
    assert len(made) == len(set(made)), made
    applied = [journal_of_migrate(machine).count("Applying ") for machine in site.machines]
    assert sorted(applied)[0] == 0, f"both applied migrations: {applied}"
    rows = site.database.rows("SELECT app, name, count(*) FROM django_migrations GROUP BY 1, 2")
    assert len(rows) == sum(applied)
    assert {row[2] for row in rows} == {1}


def test_concurrent_migrations_do_not_collide(site):
    assert not re.findall(r"^.*(?:ERROR|FATAL):.*$", statements(site.database.log), re.MULTILINE)
    for machine in site.machines:
        shown = machine.succeed("systemctl show laurel-migrate -p Result -p ActiveState --value")
        assert shown.split() == ["success", "active"]
        # A migration of Django's has "add_error_messages" in its name.
        assert not re.search(r"(?i)\berrors?\b|\bfailed\b", journal_of_migrate(machine))


def test_messages_reach_the_other_instance(site):
    one, other = site.machines
    for here, there in ((one, other), (other, one)):
        with guest(here.url) as speaker, guest(there.url) as listener:
            text = new_text(f"from {here.name}")
            speaker.say(text)
            listener.hear(text)
            speaker.hear(text)


def test_guests_behind_the_balancer_hear_each_other(site):
    ports = [machine.http_port for machine in site.machines]
    with ExitStack() as room:
        guests = [room.enter_context(guest(site.url)) for _ in range(4)]
        came_by = [dict(each.socket.getheaders())["x-instance"] for each in guests]
        assert set(came_by) == {f"127.0.0.1:{port}" for port in ports}
        for number, speaker in enumerate(guests):
            text = new_text(f"by the balancer {number}")
            speaker.say(text)
            for listener in guests:
                listener.hear(text)


def test_form_through_the_balancer_keeps_the_clients_address(site):
    text = new_text("posted")
    visitor = Browser(site.url)
    sent = visitor.submit("/", "/say/", {"message": text}, headers={"X-Forwarded-For": FORGED})
    assert sent.status_code == 302, sent.text
    rows = site.database.rows("SELECT host(remote_addr) FROM chat_message WHERE text = %s", text)
    # The balancer appends its client, which is this host, to the address that the client claims.
    assert rows == [("127.0.0.1",)]


def test_one_first_administrator_is_created(site):
    rows = site.database.rows("SELECT username, email, is_superuser FROM auth_user")
    assert rows == [(ADMIN, "admin@example.com", True)]


def test_login_is_valid_on_both_instances(site):
    one, _ = site.machines
    # Not by the form: under emulation the password's hash takes half a minute, and on a busy host
    # longer than nginx's timeout. test_example.py checks the password.
    output = one.succeed("laurel manage shell", stdin=LOG_IN.format(name=ADMIN))
    visitor = Browser(site.url)
    seen = {}
    for _ in range(4):
        answer = visitor.get("/admin/", headers={"Cookie": output.splitlines()[-1]})
        seen[answer.headers["X-Instance"]] = answer.status_code
    assert list(seen.values()) == [200, 200], seen
    # Without the cookie the form is shown.
    assert Browser(site.url).get("/admin/").status_code == 302


def test_administrators_password_is_in_no_log(site):
    for machine in site.machines:
        machine.fail(
            f"{{ journalctl -b --no-pager; find /var/log -type f ! -path '*/journal/*'"
            f" -exec cat {{}} +; }} | grep -qaF '{PASSWORD}'"
        )
