"""The example of docs/first-boot.md, booted exactly as written there."""

import json
import re
from pathlib import Path

import pytest
from acceptance.web import Browser

PAGE = Path(__file__).resolve().parents[3] / "docs/first-boot.md"

ADMINISTRATOR = """
import json
from django.contrib.auth import get_user_model
found = get_user_model().objects.filter(is_superuser=True)
print(json.dumps([[user.get_username(), user.email, user.check_password("choose-another-one")]
                  for user in found]))
"""


@pytest.fixture(scope="module")
def example() -> str:
    """The user-data in the document."""
    (found,) = re.findall(r"^```yaml\n(#cloud-config\n.*?)^```", PAGE.read_text(), re.M | re.S)
    return found


@pytest.fixture(scope="module")
def machine(boot, example):
    """A machine with the example as user-data, and a key."""
    return boot(name="example", cpus=2, user_data=example)


def test_example_is_valid_cloud_config(machine):
    output = machine.succeed("cloud-init schema --system")
    assert "Valid" in output
    assert "Invalid" not in output


def test_cloud_init_is_done_without_errors(machine):
    status = json.loads(machine.succeed("cloud-init status --format json"))
    assert status["status"] == "done"
    assert status["errors"] == []
    assert status.get("recoverable_errors", {}) == {}


def test_host_name_is_the_examples(machine):
    assert machine.succeed("hostname").strip() == "chat"


def test_site_env_is_the_examples_plus_a_key(machine, example):
    indented = re.findall(r"content: \|\n((?: {6}.*\n)+)", example)[0]
    written = re.sub(r"^ {6}", "", indented, flags=re.MULTILINE)
    text = machine.succeed("cat /etc/laurel/site.env")
    assert text.startswith(written)
    assert re.fullmatch(
        r"# Made here, for instance i-\w+: .*\nSECRET_KEY=\S{50}\n", text.removeprefix(written)
    )
    assert machine.succeed("stat -c '%U:%G %a' /etc/laurel/site.env").split() == [
        *("root:site", "640")
    ]


def test_site_answers_only_to_its_name(machine):
    browser = Browser(machine.url)
    assert browser.get("/", headers={"Host": "chat.example.com"}).status_code < 400
    assert browser.get("/", headers={"Host": "other.example.com"}).status_code == 400


def test_first_administrator_exists(machine):
    output = machine.succeed("laurel manage shell", stdin=ADMINISTRATOR)
    assert json.loads(output.splitlines()[-1]) == [["admin", "admin@example.com", True]]


def test_machine_is_healthy(machine):
    machine.succeed("laurel status")
    assert machine.succeed("systemctl list-units --state=failed --plain --no-legend") == ""


def test_administrators_password_is_in_no_log_and_no_process(machine):
    machine.fail(
        "{ journalctl -b --no-pager; cat /run/laurel/environment;"
        " find /var/log -type f ! -path '*/journal/*' -exec cat {} +;"
        " for pid in $(pgrep -u site); do cat /proc/$pid/environ; done; }"
        " | grep -qa choose-another-one"
    )
