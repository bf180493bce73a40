"""Two clones of the image at the same time: they share nothing, and each serves.

The first has only a key in its user-data; the second has settings with mistakes.
"""

import pytest
from acceptance.cloud_init import site_env
from acceptance.first_boot.instances import identity_of, start_side_by_side
from acceptance.processes import processes
from acceptance.settings import SITE_ENV, settings_of
from machine import Machine

# What the report of each invalid line must contain.
MISTAKES = {
    "PROCESES=3": "PROCESES",
    "this is no setting": "line 2",
    "PROCESSES=many": "PROCESSES",
}
VALID = "SITE_HOSTS=faulty.example.com"


@pytest.fixture(scope="module")
def clones(image):
    """Both clones, serving; their disks have 4 and 8 GiB."""
    with (
        Machine(image, name="clone-1", hostname="clone-1", cpus=1, disk_gib=4) as first,
        Machine(
            image,
            name="clone-2",
            hostname="clone-2",
            cpus=1,
            disk_gib=8,
            extra_user_data=site_env("\n".join([*MISTAKES, VALID, ""])),
        ) as second,
    ):
        start_side_by_side(first, second)
        yield first, second


@pytest.fixture(scope="module")
def identities(clones):
    return [identity_of(clone) for clone in clones]


@pytest.mark.parametrize("part", ["machine_id", "secret_key", "hostname", "dhcp"])
def test_clones_do_not_share(identities, part):
    one, other = (getattr(identity, part) for identity in identities)
    assert one
    assert other
    assert one != other


def test_clones_do_not_share_a_host_key(identities):
    one, other = (identity.host_keys for identity in identities)
    assert one.keys() == other.keys() != set()
    assert not set(one.values()) & set(other.values())


def test_clones_have_the_names_of_their_meta_data(identities):
    assert [identity.hostname for identity in identities] == ["clone-1", "clone-2"]


def test_each_clone_serves_and_fills_its_disk(clones):
    for clone, gib in zip(clones, (4, 8), strict=True):
        clone.wait_for_http(settings_of(clone)["HEALTH_PATH"], status=range(500))
        root = int(clone.succeed("findmnt -nbo SIZE /"))
        assert root > 0.9 * gib * 1024**3, f"{root >> 20} MiB of {gib} GiB"


def test_clone_without_settings_is_healthy(clones):
    healthy, _ = clones
    assert healthy.succeed("laurel status")
    assert healthy.succeed("systemctl list-units --state=failed --plain --no-legend") == ""


def test_clone_with_mistakes_serves_with_defaults(clones):
    _, faulty = clones
    faulty.wait_for_http(settings_of(faulty)["HEALTH_PATH"], status=range(500))
    running = [process.state for process in processes(faulty)]
    assert running == ["RUNNING"], "one process for each CPU, the default"
    # Valid lines take effect.
    assert "faulty.example.com" in faulty.succeed("cat /etc/nginx/sites-available/site.conf")


def test_status_reports_mistakes(clones):
    _, faulty = clones
    status = faulty.execute("laurel status")
    assert status.status == 1
    for mistake, name in MISTAKES.items():
        assert name in status.stderr, mistake


def test_journal_reports_mistakes(clones):
    _, faulty = clones
    journal = faulty.succeed("journalctl -b -u laurel-configure --no-pager -o cat")
    for mistake, name in MISTAKES.items():
        assert name in journal, mistake


def test_mistakes_fail_only_the_unit_that_reads_them(clones):
    _, faulty = clones
    failed = faulty.succeed("systemctl list-units --state=failed --plain --no-legend")
    assert [line.split()[0] for line in failed.splitlines()] == ["laurel-configure.service"]


def test_console_reports_mistakes(clones):
    _, faulty = clones
    for mistake, name in MISTAKES.items():
        assert faulty.console.shows(rf"laurel: .*{name}", 0), mistake


def test_reports_of_mistakes_contain_no_secret(clones):
    _, faulty = clones
    key = identity_of(faulty).secret_key
    assert key not in faulty.console.path.read_text(errors="replace")
    assert f"SECRET_KEY={key}" in faulty.succeed(f"cat {SITE_ENV}")
