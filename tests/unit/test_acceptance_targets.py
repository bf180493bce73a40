"""Which checks run on what, by collecting them."""

import os
import re
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


def names(shown: str) -> set[str]:
    return {check.partition("[")[0] for check in checks(shown)}


def test_an_image_goes_through_every_stage(top: Path) -> None:
    shown = collected(top, "--image=x").stdout
    assert "deselected" not in shown
    assert "not checked" not in shown
    stages = ("first-boot", "after-reboot", "after-power-cut")
    assert {f"test_no_unit_has_failed[{stage}]" for stage in stages} <= checks(shown)


# What the short run is to see, by its checks.
SHORT = {
    "pages": "test_chat_page_is_served",
    "static files": "test_static_files_are_served_and_may_be_kept_for_ever",
    "POST with CSRF": "test_form_is_taken_on_the_forwarded_port",
    "echo": "test_a_message_is_echoed",
    "clients on different processes": "test_guests_of_every_process_hear_each_other",
    "proxy and scheme headers": "test_a_trusted_proxy_is_believed",
    "spoofed headers": "test_a_forged_client_address_is_not_believed",
    "a foreign Origin": "test_a_foreign_page_is_refused",
    "even spread": "test_websockets_are_spread_evenly",
    "reload under load": "test_a_reload_fails_no_request_even_if_a_process_can_not_start",
    "open requests": "test_no_open_request_is_cut_off_by_a_reload",
    "kill -9": "test_a_killed_process_is_back_and_costs_visitors_nothing",
    "reboot": "test_the_last_word_before_the_restart_is_there",
    "failed units": "test_no_unit_has_failed",
    "the journal": "test_journal_has_no_unexplained_error",
    "laurel status": "test_status_finds_nothing_wrong",
}


def test_a_short_run_sees_what_it_must_and_no_power_cut(top: Path) -> None:
    shown = collected(top, "--image=x", "-m", "short").stdout
    assert set(SHORT.values()) <= names(shown)
    assert {"first-boot", "after-reboot"} == {
        stage for check in checks(shown) for stage in re.findall(r"\[([a-z]+-[a-z]+)", check)
    }


# The settings of a machine, with checks that are of it alone, and some that are not.
CHOSEN = (
    ([], {"test_the_shared_socket_is_the_backup"}, {"test_supervisor_is_not_there"}),
    (
        ["ASGI_SERVER=granian"],
        {"test_nobody_listens_where_processes_would_share"},
        {"test_the_shared_socket_is_the_backup", "test_it_is_nginx_that_stops_a_forged_root_path"},
    ),
    (
        ["HTTP_SERVER=gunicorn", "ASGI_PATHS=/healthz"],
        {
            "test_plain_http_is_answered_by_its_own_server",
            "test_a_path_that_is_named_stays_with_the_asgi_server",
        },
        {"test_a_host_that_is_named_stays_with_the_asgi_server"},
    ),
    (
        ["PROCESS_MANAGER=systemd"],
        {"test_supervisor_is_not_there", "test_each_process_is_in_a_sandbox"},
        {
            "test_reread_and_update_find_no_change",
            "test_killed_supervisord_leaves_no_orphan_and_is_back_once_its_port_is_free",
        },
    ),
    (
        ["CHANNEL_LAYER=memory", "PROCESSES=1"],
        {"test_visitors_of_a_lone_process_wait_or_are_told_to_come_back"},
        {"test_a_reload_fails_no_request_even_if_a_process_can_not_start"},
    ),
)


@pytest.mark.parametrize(("settings", "there", "not_there"), CHOSEN, ids=lambda value: str(value))
def test_settings_choose_the_checks(
    top: Path, settings: list[str], there: set[str], not_there: set[str]
) -> None:
    shown = collected(top, "--image=x", *(f"--setting={text}" for text in settings)).stdout
    assert "deselected" not in shown
    assert there <= names(shown)
    assert not not_there & names(shown)


def test_each_group_of_processes_is_checked_where_there_are_two(top: Path) -> None:
    name = "test_each_process_answers_on_its_own_socket[first-boot"
    shown = collected(top, "--image=x").stdout
    assert {f"{name}-asgi]"} == {check for check in checks(shown) if check.startswith(name)}
    shown = collected(top, "--image=x", "--setting=HTTP_SERVER=gunicorn").stdout
    assert {f"{name}-asgi]", f"{name}-wsgi]"} <= checks(shown)


def test_a_setting_that_is_none_is_an_error(top: Path) -> None:
    ended = collected(top, "--image=x", "--setting=uvicorn")
    assert ended.returncode == 4
    assert "--setting: 'uvicorn' is not NAME=VALUE" in ended.stderr


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
        "test_websockets_are_spread_evenly": "has nginx start new workers: only with DISRUPT=1",
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
