"""The commands behind `make acceptance` and `make bench`."""

from pathlib import Path

import names
import prove
import pytest
from prove import Proof, UsageError

FOREIGN = Path("/srv/a project")


def commands(suite: str, project: Path = names.OWN, **options: str) -> list[list[str]]:
    proof = Proof(options, project, "debian-13", Path("build/image/i.qcow2"), [Path("base.qcow2")])
    return prove._commands(suite, proof)


def last(suite: str, project: Path = names.OWN, **options: str) -> str:
    return " ".join(commands(suite, project, **options)[-1])


def test_unknown_suite_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=r"SUITE=cloud is not known; known: stages, .*clouds.*full"
    ):
        commands("cloud")


def test_stages_check_disk_and_machine_of_the_image() -> None:
    command = last("stages")
    assert "hygiene tests/acceptance/any_site tests/acceptance/chat_site" in command
    assert (
        "--image=build/image/i.qcow2 --junit-xml=build/reports/debian-13/acceptance.xml" in command
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"TARGET": "vagrant"}, "--vagrant --junit-xml=build/reports/vagrant/"),
        ({"HOST": "debian@192.0.2.1"}, "--host=debian@192.0.2.1 --junit-xml=build/reports/host/"),
        ({"HOST": "h", "KEY": "k", "URL": "http://h"}, "--host=h --key=k --url=http://h "),
        ({"HOST": "h", "REPORTS": "build/x"}, "--junit-xml=build/x/acceptance.xml"),
    ],
)
def test_stages_check_other_targets(options: dict[str, str], expected: str) -> None:
    assert expected in last("stages", **options)
    assert "hygiene" not in last("stages", **options)


def test_unknown_target_is_refused() -> None:
    with pytest.raises(UsageError, match="use image or vagrant, or give HOST="):
        commands("stages", TARGET="box")


def test_checks_and_settings_are_passed_on() -> None:
    (command,) = commands("stages", CHECKS="not disruptive", SET="A=1 B=2", OWN="own.py")
    assert {"not disruptive", "--setting=A=1", "--setting=B=2", "own.py"} <= set(command)
    assert "tests/acceptance/chat_site" not in command


def test_another_project_has_its_own_reports_and_no_chat() -> None:
    foreign = last("first-boot", FOREIGN)
    assert f"--junit-xml=build/reports/{names.prefix(FOREIGN)}debian-13/" in foreign
    ignored = "--ignore=tests/acceptance/first_boot/chat"
    assert ignored in foreign.split()
    assert ignored not in last("first-boot").split()


@pytest.mark.parametrize(
    ("suite", "project", "options", "packages"),
    [
        ("first-boot", names.OWN, {}, ["postgresql", "redis-server"]),
        ("first-boot", FOREIGN, {}, []),
        ("formats", names.OWN, {"FORMATS": "raw box"}, ["vagrant"]),
        ("formats", names.OWN, {"FORMATS": "raw"}, []),
        ("load", names.OWN, {"NATIVE": "1"}, ["wrk", "systemd-container", "iproute2"]),
    ],
)
def test_suites_install_what_they_need(
    suite: str, project: Path, options: dict[str, str], packages: list[str]
) -> None:
    assert ["packer/prerequisites.sh", *packages] in commands(suite, project, **options)


def test_full_runs_every_other_suite() -> None:
    run = {word for command in commands("full") for word in command if word.startswith("SUITE=")}
    assert run == {f"SUITE={suite}" for suite in prove.SUITES if suite != "full"}


def test_benches_take_image_base_and_options() -> None:
    assert "i.qcow2 --base=vendor.qcow2 --rounds=2 --json=" in last(
        "boot", BASE_IMAGE="vendor.qcow2", ROUNDS="2"
    )
    assert "servers.py --image=build/image/i.qcow2 --seconds=8" in last("load", SECONDS="8")


def test_started_makes_get_the_command_line_without_suite() -> None:
    flags = r" -- SUITE=vagrant APP=/a\ b OS=debian-12"
    assert prove._environment({"MAKEFLAGS": flags})["MAKEFLAGS"] == r" -- APP=/a\ b OS=debian-12"


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "1"), ({"DISRUPT": ""}, ""), ({"TARGET": "image"}, None)]
)
def test_vagrants_machine_may_be_disrupted(given: dict[str, str], expected: str | None) -> None:
    environment = prove._environment({"TARGET": "vagrant", **given})
    assert environment.get("DISRUPT") == expected
