"""Secrets and identity are the machine's own, and nothing is left of the build."""

import re

import pytest

# systemd writes it in the first boot.
FIRST_BOOT = "stat -c %Y /etc/machine-id"


def born(machine, path):
    """Seconds from the machine's first boot to when `path` was written."""
    return int(machine.succeed(f"stat -c %Y {path}")) - int(machine.succeed(FIRST_BOOT))


def test_secret_key_is_generated_and_kept(machine, host, lifecycle):
    settings = host.file("/etc/laurel/site.env")
    assert (settings.user, settings.group, settings.mode) == ("root", "site", 0o640)
    key = machine.succeed("sed -n 's/^SECRET_KEY=//p' /etc/laurel/site.env").strip()
    assert len(key) == 50
    assert lifecycle.kept.setdefault("secret key", key) == key


@pytest.mark.once
def test_secret_key_is_younger_than_the_machine(machine):
    assert born(machine, "/etc/laurel/site.env") >= 0, "it is older: it was baked"


def test_secret_key_is_in_no_log(machine):
    # The key must not be on a command line here: sudo would log it.
    machine.fail(
        "sed -n 's/^SECRET_KEY=//p' /etc/laurel/site.env >/run/key;"
        " { journalctl -b --no-pager; find /var/log -type f ! -path '*/journal/*' -exec cat {} +; }"
        " | grep -qaFf /run/key"
    )


@pytest.mark.once
def test_build_user_is_gone(machine, host):
    assert not host.user("laurel-build").exists
    assert machine.succeed("ls /home").split() == [machine.login.user]


@pytest.mark.once
def test_only_the_user_data_key_is_authorized(machine):
    keys = machine.succeed(
        "cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys 2>/dev/null; true"
    )
    bodies = set(re.findall(r"\b(?:ssh|ecdsa|sk-ssh)-\S+ (AAAA\S+)", keys))
    assert len(bodies) == 1, keys
    assert "laurel-build" not in keys


@pytest.mark.once
def test_no_account_has_a_password(machine):
    open_accounts = machine.succeed("awk -F: '$2 !~ /^[!*]/ {print $1}' /etc/shadow")
    assert open_accounts == ""


@pytest.mark.once
def test_sshd_takes_keys_only(machine):
    shown = machine.succeed("sshd -T")
    assert "\npasswordauthentication no\n" in shown
    assert "\nkbdinteractiveauthentication no\n" in shown


@pytest.mark.once
def test_host_keys_are_younger_than_the_machine(machine):
    assert born(machine, "/etc/ssh/ssh_host_ed25519_key") >= 0


@pytest.mark.once
def test_nothing_of_the_build_is_left(machine):
    for path in (
        "/tmp/laurel",  # noqa: S108 # a folder of the bake
        "/tmp/laurel.tar.gz",  # noqa: S108
        "/etc/dpkg/dpkg.cfg.d/laurel-build",
        "/etc/apt/apt.conf.d/01proxy",
    ):
        machine.fail(f"test -e {path}")
    machine.fail(
        "grep -rilE 'laurel-build|_proxy=' /etc --include=* --exclude-dir=laurel 2>/dev/null"
    )
    machine.fail("ls /usr/local/share/ca-certificates/* 2>/dev/null")


@pytest.mark.once
@pytest.mark.sealed
def test_no_cache_of_the_build_is_left(machine):
    machine.fail("test -e /var/cache/laurel")
    machine.fail("ls /var/lib/apt/lists/*Packages* 2>/dev/null")
