"""/run/daphne, which no boot keeps, and the entry that makes it again."""

import pytest

ENTRY = "/usr/lib/tmpfiles.d/daphne.conf"


def test_run_directory_belongs_to_site(host):
    directory = host.file("/run/daphne")
    assert directory.is_directory
    assert (directory.user, directory.group, directory.mode) == ("site", "site", 0o755)


def test_systemd_accepts_the_entry(machine):
    shown = machine.execute(f"systemd-tmpfiles --create {ENTRY}")
    assert (shown.status, shown.stderr) == (0, "")


def test_entry_is_not_the_guides_with_its_prompt(host):
    # "Path 'd' not absolute" is what systemd says to the guide's line.
    assert host.file(ENTRY).content_string.split()[0] == "d"


@pytest.mark.once
def test_entry_names_user_and_group_apart(host):
    # chown's `user.group` is deprecated, and a name may hold a dot.
    assert host.file(ENTRY).content_string.split() == ["d", "/run/daphne", "0755", "site", "site"]
