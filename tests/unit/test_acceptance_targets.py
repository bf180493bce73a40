"""Which checks run on what, by collecting them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def collected(top: Path, *arguments: str, disrupt: str = "") -> subprocess.CompletedProcess[str]:
    """Collect the checks for a target, and run none."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "tests/acceptance", "--collect-only", "-q", *arguments],
        cwd=top,
        env={**os.environ, "DISRUPT": disrupt},
        capture_output=True,
        text=True,
        check=False,
    )


def checks(shown: str) -> set[str]:
    return {line.rpartition("::")[2] for line in shown.splitlines() if "::" in line}


def test_an_image_goes_through_every_stage(top: Path) -> None:
    shown = collected(top, "--image=x").stdout
    assert "deselected" not in shown
    assert "not checked" not in shown
    stages = ("first-boot", "after-reboot", "after-power-cut")
    assert {f"test_no_unit_has_failed[{stage}]" for stage in stages} <= checks(shown)


@pytest.mark.parametrize("target", ["--host=admin@192.0.2.1", "--vagrant"])
def test_a_host_is_only_looked_at_unless_one_allows_more(top: Path, target: str) -> None:
    shown = collected(top, target).stdout
    found = checks(shown)
    assert "test_no_unit_has_failed[as-found]" in found
    assert not any("after-" in name for name in found)
    for name, why in {
        "test_boots_from_a_serial_console": "needs the hypervisor",
        "test_a_killed_service_is_back": "kills, restarts or writes: only with DISRUPT=1",
        "test_a_message_is_echoed": "leaves messages or a user on the site: only with DISRUPT=1",
        "test_the_last_word_before_the_restart_is_there": "restarted only with DISRUPT=1",
        "the stage after-power-cut": "needs the hypervisor",
    }.items():
        assert not any(check.startswith(name) for check in found)
        assert f"not checked: {name}: " in shown
        assert why in shown


def test_a_host_that_may_be_disrupted_misses_only_what_ssh_can_not_do(top: Path) -> None:
    shown = collected(top, "--host=admin@192.0.2.1", disrupt="1").stdout
    found = checks(shown)
    assert "test_no_unit_has_failed[after-reboot]" in found
    assert "test_the_last_word_before_the_restart_is_there[after-reboot]" in found
    assert "test_a_killed_service_is_back[as-found-nginx]" in found
    left_out = {line for line in shown.splitlines() if line.startswith("not checked: ")}
    assert {line.rpartition(": ")[0].split(": ")[1] for line in left_out} == {
        "the stage after-power-cut",
        "test_boots_from_a_serial_console",
        "test_machine_is_what_the_stage_names",
        "test_the_datasource_is_the_seed",
        "test_a_file_of_the_user_data_is_as_given",
        "test_the_key_of_the_user_data_is_the_only_one",
        "test_no_cache_of_the_build_is_left",
        *("test_the_sealed_disk_has_none", "test_a_planted_fault_is_found_and_no_other"),
        "test_the_root_file_system_is_whole",
    }


def test_a_host_that_is_not_there_is_one_error(top: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}  # no vagrant
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/acceptance", "--vagrant"],
        cwd=top,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 4
    told = shown.stdout + shown.stderr
    assert told.count("nothing to check: vagrant is not installed: run `make vagrant` first") == 1
    assert "ERROR" not in told


def test_nothing_to_check_is_an_error_that_says_how_to_name_it(top: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/acceptance", "-k", "no_unit_has_failed"],
        cwd=top,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 4
    assert "name what to check: --image, --vagrant or --host" in shown.stdout + shown.stderr
