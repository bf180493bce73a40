"""/run/daphne, and the tmpfiles entry that makes it at each boot."""

import pytest

ENTRY = "/usr/lib/tmpfiles.d/daphne.conf"


def test_run_directory_belongs_to_site(host):
    directory = host.file("/run/daphne")
    assert directory.is_directory
    assert (directory.user, directory.group, directory.mode) == ("site", "site", 0o755)


def test_systemd_accepts_the_entry(machine):
    shown = machine.execute(f"systemd-tmpfiles --create {ENTRY}")
    assert (shown.status, shown.stderr) == (0, "")


@pytest.mark.once
def test_entry_names_user_and_group_apart(host):
    # The guide's chown `user.group` is deprecated, and its entry begins with a prompt.
    assert host.file(ENTRY).content_string.split() == ["d", "/run/daphne", "0755", "site", "site"]
