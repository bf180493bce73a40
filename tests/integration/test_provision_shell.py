"""The functions of lib.sh, and what provision.sh refuses."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from laurel.schema import BAKED

NOBODY = 65534
PYTHON = Path(sys.executable)  # has what the machine's own Python gets from its archive


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
        """Run `script` after sourcing lib.sh, with the settings of `environment`."""
        return subprocess.run(
            ["bash", "-c", f'source "$0"\n{script}', self.provision / "lib.sh"],
            env={"PATH": f"{path}{PYTHON.parent}:{os.environ['PATH']}", **(environment or {})},
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


def test_unknown_settings_are_named_with_their_place(payload: Payload) -> None:
    payload.laurel_env.write_text("# a comment\n\nMAX_BODY=1m\nPROCESES=2\noops\nPATH=/tmp\n")
    payload.settings_env.write_text("PROCESSES=two\nDEVELOPMENT=maybe\n")
    ran = payload.bash("load_settings")
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "laurel.env, line 5: not KEY=VALUE; the line is ignored",
        "laurel.env, line 4: PROCESES is not a setting of the project (PROCESSES?)",
        "laurel.env, line 6: PATH is not a setting of the project (if the project reads it, write"
        " `export PATH=...`)",
        "settings.env, line 1: PROCESSES=two: not `auto` or a number from 1 to 1024",
        "settings.env, line 2: DEVELOPMENT=maybe: not one of yes, no",
        "laurel: error: the project can't be baked: the lines above say why",
    ]


def test_shell_gets_a_value_unchanged(payload: Payload) -> None:
    payload.laurel_env.write_text("RELEASE_COMMAND=./x 'a b' \"$HOME\"`id`\\;#%")  # no newline
    ran = payload.bash('load_settings; printf %s "$RELEASE_COMMAND"')
    assert ran.stdout == "./x 'a b' \"$HOME\"`id`\\;#%"


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
def test_setting_comes_from_the_first_place_that_has_it(
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
    ran = payload.bash("load_settings; printenv; echo $SETTING_NAMES")
    exported = {line.partition("=")[0] for line in ran.stdout.splitlines()}
    assert exported >= set(BAKED)
    assert ran.stdout.splitlines()[-1].split() == list(BAKED)


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


def test_place_writes_a_file_and_logs_it(place: Place) -> None:
    ran = place.run(mode="0640")
    assert ran.stdout == f"laurel:   wrote {place.target}\nchanged\n", ran.stderr
    assert place.target.read_text() == "first\n"
    assert place.target.stat().st_mode & 0o7777 == 0o640


def test_placing_a_file_again_changes_nothing(place: Place) -> None:
    place.run()
    before = place.target.stat().st_ino
    ran = place.run()
    assert (ran.returncode, ran.stdout) == (0, "")
    assert place.target.stat().st_ino == before


@pytest.mark.parametrize(("text", "mode"), [("second\n", "0644"), ("first\n", "0600")])
def test_new_text_or_mode_is_a_change(place: Place, text: str, mode: str) -> None:
    place.run()
    place.source.write_text(text)
    ran = place.run(mode)
    assert ran.stdout.endswith("changed\n")
    assert place.target.read_text() == text
    assert place.target.stat().st_mode & 0o7777 == int(mode, 8)


def test_interrupted_copy_leaves_the_old_file(place: Place, tmp_path: Path) -> None:
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


def test_package_is_replaced_only_if_it_differs(payload: Payload, tmp_path: Path) -> None:
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


def test_placed_package_is_compiled(payload: Payload, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "package"
    source.mkdir()
    (source / "module.py").write_text("")
    assert payload.bash(f"place_package {source} {target}").returncode == 0
    assert [path.name.split(".")[0] for path in target.glob("__pycache__/*.pyc")] == ["module"]


def test_file_that_is_not_rendered_ends_the_step(payload: Payload) -> None:
    stub = "place() { :; }; laurel_tool() { echo refused >&2; return 1; }"
    ran = payload.bash(f"{stub}; render etc/nginx/sites-available/site.conf; echo went on")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "refused\n")


# What provision.sh refuses


def test_provisioning_needs_root(payload: Payload) -> None:
    # With a relative path, because other users may not enter the folder of the tests.
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
    """Run provision.sh as if by root on the system `os_release`, with steps that only print."""
    (payload.folder / "os-release").write_text(os_release)
    script = payload.provision / "provision.sh"
    text = script.read_text()
    for old, new in (
        ("((EUID == 0))", "true"),
        ("/etc/os-release", str(payload.folder / "os-release")),
        ("/etc/laurel/build.env", str(payload.folder / "baked.env")),
        ("apt_install python3", ": python3"),
    ):
        assert old in text
        text = text.replace(old, new)
    script.write_text(text)
    for step in (payload.provision / "steps").iterdir():
        step.write_text(f"echo this is {step.stem}\n")
    return run(script)


def run(script: Path, *steps: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", script, *steps],
        env={**os.environ, "PATH": f"{PYTHON.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("os_release", "name"),
    [
        ('ID=debian\nVERSION_ID="11"\n', "debian-11"),
        ("ID=arch\n", "arch-unknown"),
        ('ID=ubuntu\nVERSION_ID="24.0"\n', "ubuntu-24.0"),
    ],
)
def test_unknown_system_is_refused(payload: Payload, os_release: str, name: str) -> None:
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
def test_other_process_manager_is_refused(
    payload: Payload, baked: str, given: str, manager: str
) -> None:
    (payload.folder / "baked.env").write_text(baked)
    payload.settings_env.write_text(f"PROCESS_MANAGER={given}\n")
    ran = as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    assert ran.returncode == 1
    assert ran.stderr == (
        f"laurel: error: {manager} runs this machine's processes;"
        f" PROCESS_MANAGER={given or 'supervisor'} needs a new machine\n"
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
def test_same_process_manager_is_accepted(payload: Payload, baked: str, given: str) -> None:
    (payload.folder / "baked.env").write_text(baked)
    payload.settings_env.write_text(f"PROCESS_MANAGER={given}\n")
    ran = as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    assert ran.returncode == 0, ran.stderr


def test_folder_without_a_project_is_refused(payload: Payload) -> None:
    (payload.folder / "app" / "manage.py").unlink()
    ran = as_root_on(payload, "ID=debian\nVERSION_ID=12\n")
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        f"{payload.folder}/app has no manage.py, in no folder: name the folder of a Django project",
        "laurel: error: the project can't be baked: the lines above say why",
    ]
    assert "this is" not in ran.stdout


def test_other_settings_are_found_in_the_project(payload: Payload) -> None:
    ran = payload.bash("load_settings; printenv WEBSOCKET_PATH SETTINGS_MODULE STATIC_URL")
    assert ran.stdout.splitlines() == ["/ws/room/laurel/", "rooms.settings", "/static/"]
    payload.laurel_env.write_text("WEBSOCKET_PATH=/ws/room/one/\nexport NAME=of the project\n")
    ran = payload.bash(
        'load_settings; printenv WEBSOCKET_PATH; project exports "$PROJECT"; printenv NAME'
    )
    assert ran.stdout.splitlines() == ["/ws/room/one/", "NAME='of the project'"]


def test_project_is_inspected_for_the_chosen_python(
    payload: Payload,
) -> None:
    (payload.folder / "app" / "pyproject.toml").write_text(
        '[project]\nname = "rooms"\nrequires-python = "==3.9.*"\n'
    )
    assert payload.bash("load_settings").returncode == 1
    payload.laurel_env.write_text("SITE_PYTHON=3.9\n")
    ran = payload.bash("load_settings")
    assert ran.returncode == 0, ran.stderr


def test_headers_of_known_packages_are_found(payload: Payload) -> None:
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


def test_release_has_the_projects_own_files_alone(payload: Payload, tmp_path: Path) -> None:
    app = payload.folder / "app"
    for name in (".env", "db.sqlite3", ".git/config", "a/.ruff_cache/x", "a/my_cache/kept.py"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("x")
    (app / "run.sh").write_text("x")
    (app / "run.sh").chmod(0o755)
    (app / "link").symlink_to("run.sh")
    step = payload.provision / "steps" / "20-site.sh"
    user = "${USER:-$(id -un)}"
    ran = payload.bash(
        f"eval \"$(sed -n '/^pack() {{$/,/^}}$/p' '{step}' | sed \"s/=site/={user}/g\")\"\n"
        f"pack | sha256sum; mkdir '{tmp_path}/release'; pack | tar -xf - -C '{tmp_path}/release'\n"
        f"chmod 0600 '{app}/requirements.txt'; touch '{app}/requirements.txt'; pack | sha256sum\n"
        f"chmod 0644 '{app}/run.sh'; pack | sha256sum"
    )
    assert ran.returncode == 0, ran.stderr
    release = tmp_path / "release"
    packed = {str(path.relative_to(release)) for path in release.rglob("*")}
    assert {"a/my_cache/kept.py", "run.sh", "link", "manage.py"} <= packed
    assert not {".env", "db.sqlite3", ".git", "a/.ruff_cache"} & packed
    assert (release / "link").is_symlink()
    assert (release / "run.sh").stat().st_mode & 0o777 == 0o750
    first, touched, not_executable = ran.stdout.split()[::2]
    assert first == touched != not_executable


def test_steps_run_in_order_with_progress(payload: Payload) -> None:
    ran = as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    assert ran.returncode == 0, ran.stderr
    names = [path.stem for path in sorted((payload.provision / "steps").iterdir())]
    lines = ran.stdout.splitlines()
    assert lines[1:-1:2] == [f"this is {name}" for name in names]
    assert lines[0].startswith(f"laurel: step 1 of {len(names)}: {names[0]} (")
    assert lines[-1].startswith("laurel: provisioned in ")


def test_named_steps_run_alone(payload: Payload) -> None:
    as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    script = payload.provision / "provision.sh"
    ran = run(script, "20-site", "60-nginx")
    assert ran.stdout.splitlines()[1:-1:2] == ["this is 20-site", "this is 60-nginx"]
    ran = run(script, "20-site", "site")
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith(
        "laurel: error: there is no step site; the steps are: 10-packages 15-environment 20-site"
    )


def test_failed_step_ends_provisioning(payload: Payload) -> None:
    failing = payload.provision / "steps" / "30-channel-layer.sh"
    script = payload.provision / "provision.sh"
    as_root_on(payload, "ID=debian\nVERSION_ID=13\n")
    failing.write_text("exit 3\n")
    ran = run(script)
    assert ran.returncode == 1
    assert ran.stderr == "laurel: error: step 30-channel-layer failed\n"
    assert "40-run-directory" not in ran.stdout


# The order of the steps


def test_templates_are_placed_before_the_reload(top: Path) -> None:
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


def test_unknown_server_packages_end_the_step(payload: Payload) -> None:
    text = (payload.provision / "steps" / "15-environment.sh").read_text()
    told = text[text.index("\twanted=$(") : text.index("\tmissing=()")]
    stub = "CHANNEL_LAYER=project; laurel_tool() { echo daphne; return 1; }"
    assert "reached" not in payload.bash(f"{stub}\n{told}\necho reached").stdout
    stub = "CHANNEL_LAYER=core; laurel_tool() { echo daphne; echo gunicorn; }"
    ran = payload.bash(f'{stub}\n{told}\necho "${{#wanted[@]}} ${{wanted[*]}}"')
    assert ran.stdout == "3 daphne gunicorn channels-redis\n", ran.stderr
