"""A project with a package that is built from source, and with a log file beside its code."""

from acceptance.processes import logged


def test_message_reaches_every_process(hear):
    assert hear("/ws/station/", "21.5", "21.5")


def test_built_package_works_without_compiler(machine, host):
    machine.succeed("/srv/site/current/venv/bin/python -c 'import psycopg2'")
    for package in ("gcc", "libpq-dev", "python3-dev"):
        assert not host.package(package).is_installed
    assert host.package("libpq5").is_installed


def test_its_log_goes_where_logs_are_bounded(machine):
    assert logged(machine, "asgi", "looks at the weather")
    machine.fail("find /srv/site/releases/ -path '*/logs/*.log' | grep .")
