"""Two clones of the image, side by side: they share nothing, and each serves.

The first has no user-data but a key. The second's is full of mistakes, as somebody's will be.
"""

import pytest
from acceptance.cloud_init import site_env
from acceptance.first_boot.instances import identity_of, start_side_by_side
from acceptance.processes import processes
from acceptance.settings import SITE_ENV, settings_of
from machine import Machine

# What the machine must name of each line that it can't use.
MISTAKES = {
    "PROCESES=3": "PROCESES",
    "this is no setting": "line 2",
    "PROCESSES=many": "PROCESSES",
}
SOUND = "SITE_HOSTS=faulty.example.com"


@pytest.fixture(scope="module")
def clones(image):
    """Both, serving; the first has a disk of 4 GB, the second of 8."""
    with (
        Machine(image, name="clone-1", hostname="clone-1", cpus=1, disk_gib=4) as first,
        Machine(
            image,
            name="clone-2",
            hostname="clone-2",
            cpus=1,
            disk_gib=8,
            extra_user_data=site_env("\n".join([*MISTAKES, SOUND, ""])),
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


def test_clones_have_the_names_that_their_clouds_give_them(identities):
    assert [identity.hostname for identity in identities] == ["clone-1", "clone-2"]


def test_each_clone_serves_from_its_whole_disk(clones):
    for clone, gib in zip(clones, (4, 8), strict=True):
        clone.wait_for_http(settings_of(clone)["HEALTH_PATH"], status=range(500))
        root = int(clone.succeed("findmnt -nbo SIZE /"))
        assert root > 0.9 * gib * 1024**3, f"{root >> 20} MiB of {gib} GiB"


def test_a_clone_without_user_data_is_sound(clones):
    sound, _ = clones
    assert sound.succeed("laurel status")
    assert sound.succeed("systemctl list-units --state=failed --plain --no-legend") == ""


def test_a_clone_with_mistakes_serves_on_defaults(clones):
    _, faulty = clones
    faulty.wait_for_http(settings_of(faulty)["HEALTH_PATH"], status=range(500))
    running = [process.state for process in processes(faulty)]
    assert running == ["RUNNING"], "one process for each CPU, as where nothing is said"
    # What can be used is used.
    assert "faulty.example.com" in faulty.succeed("cat /etc/nginx/sites-available/site.conf")


def test_mistakes_are_told_by_status(clones):
    _, faulty = clones
    told = faulty.execute("laurel status")
    assert told.status == 1
    for mistake, name in MISTAKES.items():
        assert name in told.stderr, mistake


def test_mistakes_are_told_in_the_journal(clones):
    _, faulty = clones
    told = faulty.succeed("journalctl -b -u laurel-configure --no-pager -o cat")
    for mistake, name in MISTAKES.items():
        assert name in told, mistake


def test_mistakes_fail_the_unit_that_reads_them_and_no_other(clones):
    _, faulty = clones
    failed = faulty.succeed("systemctl list-units --state=failed --plain --no-legend")
    assert [line.split()[0] for line in failed.splitlines()] == ["laurel-configure.service"]


def test_mistakes_are_told_on_the_console(clones):
    _, faulty = clones
    for mistake, name in MISTAKES.items():
        assert faulty.console.shows(rf"laurel: .*{name}", 0), mistake


def test_what_is_told_of_mistakes_holds_no_secret(clones):
    _, faulty = clones
    key = identity_of(faulty).secret_key
    assert key not in faulty.console.path.read_text(errors="replace")
    assert f"SECRET_KEY={key}" in faulty.succeed(f"cat {SITE_ENV}")
