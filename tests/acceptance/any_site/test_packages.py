"""The guide's packages and their services."""

import pytest

SUPERVISOR = pytest.param("supervisor", marks=pytest.mark.where(PROCESS_MANAGER="supervisor"))
SERVICES = ["nginx", SUPERVISOR, "redis-server", "laurel-watch"]


@pytest.mark.once
@pytest.mark.parametrize("package", ["nginx", SUPERVISOR, "redis-server"])
def test_package_is_installed(host, package):
    assert host.package(package).is_installed


@pytest.mark.parametrize("service", SERVICES)
def test_service_runs_and_is_enabled(host, service):
    assert host.service(service).is_running
    assert host.service(service).is_enabled


@pytest.mark.once
def test_system_python_has_no_package_of_the_site(machine):
    machine.fail("/usr/bin/python3 -c 'import daphne'")
    machine.fail("command -v pip")
