"""On EC2: an instance with a name and user-data of its user's."""

import pytest
from acceptance import cloud_init
from acceptance.processes import processes
from acceptance.settings import settings_of
from machine import Ec2
from machine.disk import GIB

CPUS = 4
DISK_GIB = 40
EC2 = Ec2()
SITE = "www.example.com"
SITE_ENV = f"# of this machine alone\nSITE_HOSTS={SITE}\n"


@pytest.fixture(scope="module")
def machine(boot):
    """The instance."""
    return boot(
        name="ec2",
        cpus=CPUS,
        disk_gib=DISK_GIB,
        cloud=EC2,
        hostname="web-1",
        extra_user_data={"write_files": [{"path": "/etc/laurel/site.env", "content": SITE_ENV}]},
    )


def test_the_datasource_is_ec2_and_no_other_was_waited_for(machine):
    assert cloud_init.datasource(machine) == EC2.datasource
    assert cloud_init.candidates(machine) == [EC2.datasource, "None"]


def test_a_token_was_taken_first_and_shown_with_each_request_for_metadata(machine):
    first, *others = machine.metadata.log
    assert (first.method, first.path, first.status) == ("PUT", "/latest/api/token", 200)
    metadata = [asked for asked in others if asked.method != "PUT"]
    assert len(metadata) > 10
    assert [asked for asked in metadata if asked.token != "valid"] == []


def test_only_what_ec2_has_was_asked_for(machine):
    assert [asked for asked in machine.metadata.log if asked.status != 200] == []


def test_the_users_key_comes_from_the_metadata_and_opens_the_machine(machine):
    asked = {asked.path.partition("/meta-data/")[2] for asked in machine.metadata.log}
    assert "public-keys/0/openssh-key" in asked
    keys = machine.succeed(f"cat ~{machine.login.user}/.ssh/authorized_keys").splitlines()
    assert [line for line in keys if line] == [machine.public_key]


def test_the_host_name_is_its_users(machine):
    assert machine.succeed("hostname").strip() == "web-1"
    assert machine.execute("getent hosts web-1").status == 0


def test_the_settings_of_the_user_data_are_kept_and_a_key_is_added(host):
    settings = host.file("/etc/laurel/site.env")
    given, key = settings.content_string.split("SECRET_KEY=")
    assert given.startswith(SITE_ENV)
    assert len(key.strip()) == 50
    assert (settings.user, settings.group, settings.mode) == ("root", "site", 0o640)


@pytest.mark.parametrize("name", [SITE, EC2.public_hostname, EC2.public_ipv4])
def test_the_site_answers_to_its_name_and_to_those_that_ec2_gives(machine, browser, name):
    environment = machine.succeed("cat /run/laurel/environment")
    (allowed,) = (line for line in environment.splitlines() if line.startswith("ALLOWED_HOSTS="))
    assert name in allowed.partition("=")[2].strip("'\"").split(",")
    settings = settings_of(machine)
    page = settings["PAGE_PATH"] or settings["HEALTH_PATH"]
    assert browser.get(page, headers={"Host": name}).status_code < 400


def test_the_root_fills_the_disk(machine):
    root = int(machine.succeed("findmnt -nbo SIZE /"))
    assert root > DISK_GIB * GIB * 0.9


def test_one_process_runs_for_each_cpu(machine):
    assert [process.state for process in processes(machine)] == ["RUNNING"] * CPUS


def test_cloud_init_is_done_without_a_warning(machine, measure):
    assert cloud_init.troubles(machine) == []
    for what, seconds in machine.timings.items():
        measure(f"on EC2: {what}", seconds)
