"""The functions of lib.sh, through bash; and what provision.sh refuses."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import settings

NOBODY = 65534


class Payload:
    """A copy of provision/ with a project beside it, as it is carried to a machine."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.folder = folder
        self.provision = folder / "provision"
        shutil.copytree(top / "provision", self.provision)
        self.laurel_env = folder / "app" / "laurel.env"
        self.settings_env = folder / "settings.env"
        shutil.copytree(top / "tests" / "projects" / "long_poll", folder / "app")

    def bash(
        self, script: str, environment: Mapping[str, str] | None = None, path: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `script` after lib.sh was sourced, with no setting but those of `environment`."""
        return subprocess.run(
            ["bash", "-c", f'source "$0"\n{script}', self.provision / "lib.sh"],
            env={"PATH": f"{path}{os.environ['PATH']}", **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )


@pytest.fixture
def payload(top: Path, tmp_path: Path) -> Payload:
    """provision/ in a folder of its own."""
    return Payload(top, tmp_path)


# Settings


@pytest.mark.parametrize(
    "line",
    [
        "PROCESES=2",
        "PROCESSES",
        "oops",
        "processes=2",
        " PROCESSES=2",
        "=2",
        "PROCESSE.=2",
        "PATH=/tmp",
    ],
)
def test_a_line_that_is_no_setting_is_named_with_its_file_and_number(
    payload: Payload, line: str
) -> None:
    payload.laurel_env.write_text(f"# a comment\n\nMAX_BODY=1m\n{line}\n")
    ran = payload.bash("load_settings")
    assert ran.returncode == 1
    assert f"laurel: error: {payload.laurel_env}, line 4: no such setting: '{line}'" in ran.stderr
    assert "Known: DJANGO_ROOT SETTINGS_MODULE ASGI_APPLICATION" in ran.stderr


def test_a_value_is_all_that_follows_the_first_equals_sign(payload: Payload) -> None:
    payload.laurel_env.write_text("HEALTH_PATH=/a b?c=d#e$HOME`id`'\"")  # with no newline
    ran = payload.bash('load_settings; printf %s "$HEALTH_PATH"')
    assert ran.stdout == "/a b?c=d#e$HOME`id`'\""


def test_a_file_that_windows_saved_is_read_as_any_other(payload: Payload) -> None:
    payload.laurel_env.write_bytes(b"\xef\xbb\xbfMAX_BODY=3m\r\nHEALTH_PATH=/well\r\n")
    ran = payload.bash('load_settings; echo "$MAX_BODY" "$HEALTH_PATH"')
    assert ran.stdout == "3m /well\n", ran.stderr


@pytest.mark.parametrize(
    ("environment", "settings_env", "laurel_env", "wins"),
    [
        ("1", "2", "3", "1"),
        ("", "2", "3", "2"),
        ("", "", "3", "3"),
        ("", "", "", "auto"),
    ],
    ids=["environment", "settings.env", "laurel.env", "default"],
)
def test_a_setting_comes_from_the_first_place_that_has_it(
    payload: Payload, environment: str, settings_env: str, laurel_env: str, wins: str
) -> None:
    if settings_env:
        payload.settings_env.write_text(f"PROCESSES={settings_env}\n")
    if laurel_env:
        payload.laurel_env.write_text(f"PROCESSES={laurel_env}\n")
    given = {"PROCESSES": environment} if environment else {}
    ran = payload.bash("load_settings; printenv PROCESSES", given)
    assert ran.stdout.strip() == wins


def test_every_setting_reaches_the_steps(payload: Payload) -> None:
    ran = payload.bash("load_settings; printenv")
    exported = {line.partition("=")[0] for line in ran.stdout.splitlines()}
    assert exported >= set(settings.names(payload.provision))


def test_a_machine_is_one_to_develop_on_or_not(payload: Payload) -> None:
    ran = payload.bash("load_settings", {"DEVELOPMENT": "maybe"})
    assert ran.returncode == 1
    assert ran.stderr == "laurel: error: DEVELOPMENT=maybe: it is yes or no\n"


# Files


class Place:
    """Runs `place` with this user as the owner."""

    def __init__(self, payload: Payload, folder: Path) -> None:
        self.payload = payload
        self.source = folder / "source"
        self.target = folder / "root" / "etc" / "file"
        self.source.write_text("first\n")

    def run(self, mode: str = "0644", path: str = "") -> subprocess.CompletedProcess[str]:
        me = '"$(id -un):$(id -gn)"'
        return self.payload.bash(
            f"place '{self.source}' '{self.target}' {mode} {me}\nif changed; then echo changed; fi",
            path=path,
        )


@pytest.fixture
def place(payload: Payload, tmp_path: Path) -> Place:
    """A file to place, and where."""
    return Place(payload, tmp_path)


def test_a_file_is_placed_and_named(place: Place) -> None:
    ran = place.run(mode="0640")
    assert ran.stdout == f"laurel:   wrote {place.target}\nchanged\n", ran.stderr
    assert place.target.read_text() == "first\n"
    assert place.target.stat().st_mode & 0o7777 == 0o640


def test_placing_it_again_changes_nothing(place: Place) -> None:
    place.run()
    before = place.target.stat().st_ino
    ran = place.run()
    assert (ran.returncode, ran.stdout) == (0, "")
    assert place.target.stat().st_ino == before


@pytest.mark.parametrize(("text", "mode"), [("second\n", "0644"), ("first\n", "0600")])
def test_another_text_or_another_mode_is_a_change(place: Place, text: str, mode: str) -> None:
    place.run()
    place.source.write_text(text)
    ran = place.run(mode)
    assert ran.stdout.endswith("changed\n")
    assert place.target.read_text() == text
    assert place.target.stat().st_mode & 0o7777 == int(mode, 8)


def test_a_copy_that_breaks_off_leaves_the_former_file(place: Place, tmp_path: Path) -> None:
    place.run()
    place.source.write_text("second\n")
    broken = tmp_path / "bin" / "install"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\nfor last; do :; done\nprintf se >"$last"\nexit 1\n')
    broken.chmod(0o755)
    ran = place.run(path=f"{broken.parent}:")
    assert ran.returncode != 0
    assert "changed" not in ran.stdout
    assert place.target.read_text() == "first\n"


def test_a_package_is_placed_whole_and_only_when_it_differs(
    payload: Payload, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "lib" / "package"
    source.mkdir()
    (source / "old.py").write_text("")

    def place() -> bool:
        ran = payload.bash(f"place_package {source} {target}; if changed; then echo yes; fi")
        assert ran.returncode == 0, ran.stderr
        return "yes" in ran.stdout

    assert place()
    assert not place()
    (source / "old.py").rename(source / "new.py")
    assert place()
    assert {path.name for path in target.iterdir()} == {"new.py", "__pycache__"}


def test_a_placed_package_needs_no_compiling_when_a_machine_first_boots(
    payload: Payload, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "package"
    source.mkdir()
    (source / "module.py").write_text("")
    assert payload.bash(f"place_package {source} {target}").returncode == 0
    assert [path.name.split(".")[0] for path in target.glob("__pycache__/*.pyc")] == ["module"]


# What provision.sh refuses


def test_provisioning_needs_root(payload: Payload) -> None:
    # Below its own folder nothing is asked: a folder of the tests may be closed to others.
    ran = subprocess.run(
        ["bash", "provision.sh"],
        cwd=payload.provision,
        user=NOBODY if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "laurel: error: provision.sh needs root: run it with sudo" in ran.stderr


def as_root_on(payload: Payload, os_release: str) -> subprocess.CompletedProcess[str]:
    """Run provision.sh as if by root on a system that says `os_release`; no step is left."""
    (payload.folder / "os-release").write_text(os_release)
    script = payload.provision / "provision.sh"
    text = script.read_text()
    for old, new in (
        ("((EUID == 0))", "true"),
        ("/etc/os-release", str(payload.folder / "os-release")),
        ("/etc/laurel/build.env", str(payload.folder / "baked.env")),
    ):
        assert old in text
        text = text.replace(old, new)
    script.write_text(text)
    for step in (payload.provision / "steps").iterdir():
        step.write_text(f"echo this is {step.stem}\n")
    return subprocess.run(["bash", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("os_release", "name"),
    [
        ('ID=debian\nVERSION_ID="11"\n', "debian-11"),
        ("ID=arch\n", "arch-unknown"),
        ('ID=ubuntu\nVERSION_ID="24.0"\n', "ubuntu-24.0"),
    ],
)
def test_a_system_that_is_not_known_is_refused_by_name(
    payload: Payload, os_release: str, name: str
) -> None:
    ran = as_root_on(payload, os_release)
    assert ran.returncode == 1
    assert f"laurel: error: {name} is not a system that Laurel knows: debian-12" in ran.stderr
    assert "this is" not in ran.stdout


@pytest.mark.parametrize(
    ("baked", "given", "manager"),
    [
        ("PROCESS_MANAGER=supervisor\n", "systemd", "supervisor"),
        ("PROCESS_MANAGER=systemd\n", "supervisor", "systemd"),
        ("PROCESS_MANAGER=systemd\n", "", "systemd"),
        ("MAX_BODY=10m\n", "systemd", "supervisor"),  # baked before there was a choice
    ],
)
def test_another_manager_than_the_machine_has_is_refused(
    payload: Payload, baked: str, given: str, manager: str
) -> None:
    (payload.folder / "baked.env").write_text(baked)
    payload.settings_env.write_text(f"PROCESS_MANAGER={given}\n")
    ran = as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    assert ran.returncode == 1
    assert ran.stderr == (
        f"laurel: error: {manager} starts this machine's processes, and"
        f" PROCESS_MANAGER={given or 'supervisor'}: that is for a new machine\n"
    )
    assert "this is" not in ran.stdout


@pytest.mark.parametrize(
    ("baked", "given"),
    [
        ("PROCESS_MANAGER=systemd\n", "systemd"),
        ("PROCESS_MANAGER=supervisor\n", ""),
        ("MAX_BODY=10m\n", ""),
    ],
)
def test_the_manager_that_the_machine_has_is_taken_again(
    payload: Payload, baked: str, given: str
) -> None:
    (payload.folder / "baked.env").write_text(baked)
    payload.settings_env.write_text(f"PROCESS_MANAGER={given}\n")
    ran = as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    assert ran.returncode == 0, ran.stderr


def test_a_folder_without_a_project_is_refused(payload: Payload) -> None:
    (payload.folder / "app" / "manage.py").unlink()
    ran = as_root_on(payload, "ID=debian\nVERSION_ID=12\n")
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        f"{payload.folder}/app has no manage.py, in no folder: name the folder of a Django project",
        "laurel: error: the project can't be baked: the lines above say why",
    ]
    assert "this is" not in ran.stdout


def test_what_nobody_gave_is_found_in_the_project(payload: Payload) -> None:
    ran = payload.bash("load_settings; printenv WEBSOCKET_PATH SETTINGS_MODULE STATIC_URL")
    assert ran.stdout.splitlines() == ["/ws/room/laurel/", "rooms.settings", "/static/"]
    payload.laurel_env.write_text("WEBSOCKET_PATH=/ws/room/one/\nexport NAME=of the project\n")
    ran = payload.bash("load_settings; printenv WEBSOCKET_PATH NAME")
    assert ran.stdout.splitlines() == ["/ws/room/one/"]


def test_the_python_that_is_asked_for_is_the_one_that_the_project_is_inspected_for(
    payload: Payload,
) -> None:
    (payload.folder / "app" / "pyproject.toml").write_text(
        '[project]\nname = "rooms"\nrequires-python = "==3.9.*"\n'
    )
    assert payload.bash("load_settings").returncode == 1
    payload.laurel_env.write_text("SITE_PYTHON=3.9\n")
    ran = payload.bash("load_settings")
    assert ran.returncode == 0, ran.stderr


def test_headers_are_known_of_a_package_in_the_first_line_of_any_file(payload: Payload) -> None:
    app = payload.folder / "app"
    # None of them ends its last line, and tools of Windows begin one with a mark.
    (app / "requirements.txt").write_text("mysqlclient==2.2.7\n-r a.txt\n-r b.txt")
    (app / "a.txt").write_text("\ufefflxml==6.0.2\r\ndjango==5.2")
    (app / "b.txt").write_text("psycopg2==2.9.11")
    (app / "notes.txt").write_bytes(b"caf\xe9 \x00\n")
    step = payload.provision / "steps" / "15-environment.sh"
    ran = payload.bash(
        f"eval \"$(sed -n '/^\\(sources\\|headers\\)() {{$/,/^}}$/p' '{step}')\"\n"
        f"file='{app}/requirements.txt' requirements=$file PROJECT='{app}'\nheaders | xargs"
    )
    assert sorted(ran.stdout.split()) == [
        *("default-libmysqlclient-dev", "libpq-dev", "libxml2-dev", "libxslt1-dev")
    ], ran.stderr


def test_every_step_runs_in_order_and_says_how_far_it_is(payload: Payload) -> None:
    ran = as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    assert ran.returncode == 0, ran.stderr
    names = [path.stem for path in sorted((payload.provision / "steps").iterdir())]
    lines = ran.stdout.splitlines()
    assert lines[1:-1:2] == [f"this is {name}" for name in names]
    assert lines[0].startswith(f"laurel: step 1 of {len(names)}: {names[0]} (")
    assert lines[-1].startswith("laurel: provisioned in ")


def test_steps_that_are_named_run_alone(payload: Payload) -> None:
    as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    command = ["bash", payload.provision / "provision.sh", "20-site", "60-nginx"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines()[1:-1:2] == ["this is 20-site", "this is 60-nginx"]
    ran = subprocess.run([*command, "site"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith(
        "laurel: error: site is no step; the steps: 10-packages 15-environment 20-site"
    )


def test_a_step_that_fails_ends_it_with_its_name(payload: Payload) -> None:
    failing = payload.provision / "steps" / "30-channel-layer.sh"
    script = payload.provision / "provision.sh"
    as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    failing.write_text("exit 3\n")
    ran = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "laurel: error: step 30-channel-layer failed\n"
    assert "40-run-directory" not in ran.stdout


# The order of the steps


def test_what_a_reload_renders_is_placed_before_it_and_so_when_code_is_synced(top: Path) -> None:
    provision = top / "provision"
    renewing = [
        path.stem
        for path in sorted((provision / "steps").glob("*.sh"))
        if "laurel_tool reload --if-outdated" in path.read_text()
    ]
    assert renewing == ["60-nginx"]
    placing = [
        path.stem
        for path in sorted((provision / "steps").glob("*.sh"))
        if re.search(r"^\s*(if )?render ", path.read_text(), re.MULTILINE)
    ]
    assert placing
    assert max(placing) <= "60-nginx"
    assert " 60-nginx " in (top / "vagrant/sync.sh").read_text()


def test_the_packages_of_a_server_that_can_not_be_told_end_the_step(payload: Payload) -> None:
    text = (payload.provision / "steps" / "15-environment.sh").read_text()
    told = text[text.index("\twanted=$(") : text.index("\tmissing=()")]
    stub = "CHANNEL_LAYER=project; laurel_tool() { echo daphne; return 1; }"
    assert "reached" not in payload.bash(f"{stub}\n{told}\necho reached").stdout
    stub = "CHANNEL_LAYER=core; laurel_tool() { echo daphne; echo gunicorn; }"
    ran = payload.bash(f'{stub}\n{told}\necho "${{#wanted[@]}} ${{wanted[*]}}"')
    assert ran.stdout == "3 daphne gunicorn channels-redis\n", ran.stderr
