"""What may tell Vagrant's machine from the image, and what may not."""

import pytest
from acceptance import differences

IMAGE = {
    "package nginx": "1.26.3-3",
    "unit nginx.service": "enabled",
    "file /etc/machine-id": "444 0:0 aaaa",
    "file /etc/nginx/sites-available/site.conf": "644 0:0 bbbb",
    "line of /etc/passwd debian:x:1000:1000::/home/debian:/bin/bash": "there",
}


def test_the_same_is_no_difference() -> None:
    assert differences.differences(IMAGE, dict(IMAGE)) == {}
    assert differences.report({}) == ["without a reason: none"]


def test_what_vagrant_needs_and_what_sealing_removes_is_listed_by_its_reason() -> None:
    vagrant = {
        **IMAGE,
        "package rsync": "3.4.1",
        "file /etc/machine-id": "444 0:0 cccc",
        "file /etc/.updated": "644 0:0 ffff",
        "unit systemd-firstboot.service": "masked",
        "file /etc/systemd/system/systemd-firstboot.service": "-> /dev/null",
        "line of /etc/passwd vagrant:x:1000:1000::/home/vagrant:/bin/bash": "there",
    }
    del vagrant["line of /etc/passwd debian:x:1000:1000::/home/debian:/bin/bash"]
    assert differences.report(differences.differences(vagrant, IMAGE)) == [
        "identity: each machine has its own:",
        "    file /etc/.updated",
        "    file /etc/machine-id",
        "sealing:",
        "    file /etc/systemd/system/systemd-firstboot.service",
        "    unit systemd-firstboot.service",
        "the machine's user, and its key:",
        "    line of /etc/passwd debian:x:1000:1000::/home/debian:/bin/bash",
        "    line of /etc/passwd vagrant:x:1000:1000::/home/vagrant:/bin/bash",
        "rsync, with which Vagrant brings the project:",
        "    package rsync",
        "without a reason: none",
    ]


def test_a_package_that_differs_is_told_with_what_may_be_the_cause() -> None:
    told = differences.report(
        differences.differences({**IMAGE, "package nginx": "1.26.3-4"}, IMAGE)
    )
    assert told[0].startswith("packages differ: the archive may have had newer ones")
    assert told[1] == "without a reason: 1"


def test_a_file_is_listed_by_its_lines_where_only_one_of_them_may_differ() -> None:
    assert differences.reason("file /etc/fstab") == differences.LISTED
    assert differences.reason("line of /etc/fstab LABEL=other /srv ext4 defaults 0 2") == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unit nginx.service", "disabled"),
        ("file /etc/nginx/sites-available/site.conf", "644 0:0 dddd"),
        ("file /etc/cron.d/new", "644 0:0 eeee"),
        ("line of /etc/passwd mallory:x:0:0::/root:/bin/bash", "there"),
        ("line of /etc/laurel/build.env PROCESSES=3", "there"),
        ("line of /etc/fstab LABEL=other /srv ext4 defaults 0 2", "there"),
    ],
)
def test_anything_else_is_shown_as_it_is_on_both(name: str, value: str) -> None:
    found = differences.differences({**IMAGE, name: value}, IMAGE)
    assert differences.report(found) == [
        "without a reason: 1",
        f"    {name}",
        f"        {value}",
        f"        {IMAGE.get(name, 'missing')}",
    ]
