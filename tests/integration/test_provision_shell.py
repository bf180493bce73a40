"""The functions of lib.sh and of two steps, and what provision.sh refuses."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from laurel.schema import BAKED
from run import as_root

NOBODY = 65534
# This Python has what the machine's own gets from its archive.
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={"PATH": PATH, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


class Payload:
    """A copy of provision/ with a project beside it, as it is carried to a machine."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.folder = folder
        self.provision = folder / "provision"
        self.steps = self.provision / "steps"
        self.app = folder / "app"
        self.laurel_env = self.app / "laurel.env"
        self.settings_env = folder / "settings.env"
        shutil.copytree(top / "provision", self.provision)
        shutil.copytree(top / "tests" / "projects" / "long_poll", self.app)

    def bash(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `script` after sourcing lib.sh."""
        lib = self.provision / "lib.sh"
        return run("bash", "-c", f'source "$0"\n{script}', lib, **environment)

    def function(self, step: str, name: str) -> str:
        """The text of a function of a step."""
        text = (self.steps / f"{step}.sh").read_text()
        (found,) = re.findall(rf"^{name}\(\) {{$.*?^}}$", text, re.MULTILINE | re.DOTALL)
        return str(found)

    def run(self, *steps: str) -> subprocess.CompletedProcess[str]:
        return run("bash", self.provision / "provision.sh", *steps)


@pytest.fixture
def payload(top: Path, tmp_path: Path) -> Payload:
    return Payload(top, tmp_path)


# Settings


def test_every_setting_reaches_the_steps(payload: Payload) -> None:
    payload.laurel_env.write_text(
        "export NAME=of the project\nDRAIN_SECONDS=1\nMAX_BODY=1m\nPROCESSES=1\n"
        "RELEASE_COMMAND=./x 'a b' \"$HOME\"`id`\\;#%"  # no newline
    )
    payload.settings_env.write_text("MAX_BODY=2m\nPROCESSES=2\n")
    (payload.folder / "found.env").write_text("WEBSOCKET_PATH=/ws/room/laurel/\nMAX_BODY=3m\n")
    script = f"FOUND='{payload.folder}/found.env'; load_settings; printenv"
    ran = payload.bash(f'{script}; project exports "$PROJECT"', PROCESSES="3")
    lines = ran.stdout.splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert found["SETTING_NAMES"].split() == list(BAKED)
    assert found.keys() >= set(BAKED)
    assert (found["PROCESSES"], found["MAX_BODY"], found["DRAIN_SECONDS"]) == ("3", "2m", "1")
    assert found["RELEASE_COMMAND"] == "./x 'a b' \"$HOME\"`id`\\;#%"
    assert found["WEBSOCKET_PATH"] == "/ws/room/laurel/"  # what the project answered
    assert lines[-1] == "NAME='of the project'"


def test_unusable_settings_end_provisioning(payload: Payload) -> None:
    payload.laurel_env.write_text("# a comment\nPROCESES=2\n")
    payload.settings_env.write_text("PROCESSES=two\n")
    ran = payload.bash("load_settings; echo went on")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        "laurel.env, line 2: PROCESES is not a setting of the project (PROCESSES?)",
        "settings.env, line 1: PROCESSES=two: not `auto` or a number from 1 to 1024",
        "laurel: error: the project can't be baked: the lines above say why",
    ]


def test_failure_in_a_command_substitution_ends_the_step(payload: Payload) -> None:
    ran = payload.bash("found=$(false; echo x)\necho went on")
    assert (ran.returncode, ran.stdout) == (1, "")


# Files


class Place:
    """Runs `place` with this user as the owner."""

    def __init__(self, payload: Payload) -> None:
        self.payload = payload
        self.source = payload.folder / "source"
        self.target = payload.folder / "root" / "etc" / "file"
        self.source.write_text("first\n")

    def run(self, mode: str, path: str = PATH) -> str:
        """Place the file; return what is logged, and `changed` if that changed it."""
        me = '"$(id -un):$(id -gn)"'
        script = f"place '{self.source}' '{self.target}' {mode} {me}"
        return self.payload.bash(f"{script}\nif changed; then echo changed; fi", PATH=path).stdout


@pytest.fixture
def place(payload: Payload) -> Place:
    return Place(payload)


def test_file_is_placed_if_text_or_mode_differs(place: Place) -> None:
    for text, mode in (("first\n", "0640"), ("second\n", "0640"), ("second\n", "0600")):
        place.source.write_text(text)
        assert place.run(mode) == f"laurel:   wrote {place.target}\nchanged\n"
        assert place.target.read_text() == text
        assert place.target.stat().st_mode & 0o7777 == int(mode, 8)
        before = place.target.stat().st_ino
        assert place.run(mode) == ""
        assert place.target.stat().st_ino == before


def test_interrupted_copy_leaves_the_old_file(place: Place, tmp_path: Path) -> None:
    place.run("0644")
    place.source.write_text("second\n")
    broken = tmp_path / "bin" / "install"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\nfor last; do :; done\nprintf se >"$last"\nexit 1\n')
    broken.chmod(0o755)
    assert place.run("0644", f"{broken.parent}:{PATH}") == ""
    assert place.target.read_text() == "first\n"


def test_package_is_compiled_and_replaced_only_if_it_differs(
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
    files = {path.name.split(".")[0] for path in target.rglob("*.py*")}
    assert files == {"new"}
    assert list(target.glob("__pycache__/new.*.pyc"))


def test_file_that_is_not_rendered_ends_the_step(payload: Payload) -> None:
    stub = "place() { :; }; laurel_tool() { echo refused >&2; return 1; }"
    ran = payload.bash(f"{stub}; render etc/nginx/sites-available/site.conf; echo went on")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "refused\n")


# Functions of steps


def test_system_packages_of_known_packages_are_found(payload: Payload) -> None:
    # None of them ends its last line, and tools of Windows begin one with a mark.
    (payload.app / "requirements.txt").write_text("mysqlclient==2.2.7\n-r a.txt\n-r b.txt")
    (payload.app / "a.txt").write_text("\ufefflxml==6.0.2\r\ndjango==5.2")
    (payload.app / "b.txt").write_text("psycopg2==2.9.11")
    (payload.app / "notes.txt").write_bytes(b"caf\xe9 \x00\n")
    functions = [payload.function("15-environment", name) for name in ("needed", "required")]
    (payload.folder / "home").mkdir()
    (payload.folder / "home/project").symlink_to(payload.app)
    given = f"work='{payload.folder}' file='{payload.app}/requirements.txt' requirements=$file"
    ran = payload.bash("\n".join([*functions, given, "required | needed 2 | xargs"]))
    assert sorted(ran.stdout.split()) == [
        *("default-libmysqlclient-dev", "libpq-dev", "libxml2-dev", "libxslt1-dev")
    ], ran.stderr
    ran = payload.bash(f"{functions[0]}\nprintf 'Psycopg==3\nlxml==6\n' | needed 3 | xargs")
    assert ran.stdout == "libpq5\n", ran.stderr


def test_packages_code_runs_without_rights(payload: Payload) -> None:
    as_installer = payload.function("15-environment", "as_installer")
    (payload.folder / "home/project").mkdir(parents=True)
    given = f"installer=65532 work='{payload.folder}'"
    shown = "sh -c 'id -u; id -G; grep -E \"^(NoNewPrivs|CapEff)\" /proc/self/status; echo $HOME'"
    script = f"{as_installer}\n{given}\nas_installer {shown}"
    ran = run(*as_root(), "bash", "-c", f"set -eu\n{script}")
    assert ran.stdout.split() == [
        *("65532", "65532", "CapEff:", "0" * 16, "NoNewPrivs:", "1", f"{payload.folder}/home")
    ], ran.stderr


def test_virtualenv_has_the_same_name_on_a_machine_without_the_lock(payload: Payload) -> None:
    text = (payload.steps / "15-environment.sh").read_text()
    (name,) = re.findall(r"^id=\$\($.*?^\)$", text, re.MULTILINE | re.DOTALL)
    given = f"payload='{payload.folder}' file='{payload.app}/requirements.txt'"
    script = f"load_settings\n{given}\n{name}\necho $id"
    seen = [payload.bash(script).stdout]
    # A bake makes the layer with the lock of an earlier one; the machine gets no lock.
    (payload.folder / "requirements.lock").write_text("django==5.2\n")
    seen.append(payload.bash(script).stdout)
    (payload.app / "requirements.txt").write_text("channels\n")
    seen.append(payload.bash(script).stdout)
    assert all(re.fullmatch("[0-9a-f]{12}\n", one) for one in seen)
    assert seen[0] == seen[1] != seen[2]


def test_project_runs_again_only_after_a_change(payload: Payload) -> None:
    lib, step = payload.provision / "lib.sh", payload.steps / "17-questions.sh"
    for script in (lib, step):
        text = script.read_text().replace("/etc/laurel", f"{payload.folder}/etc")
        script.write_text(text.replace("/srv/site", f"{payload.folder}/site"))
    with lib.open("a") as file:
        file.write(
            'eval "real_$(declare -f project)"\n'
            'project() { [[ $1 == ask ]] && echo asked >"$FOUND" || real_project "$@"; }'
        )
    environments, found = payload.folder / "site/environments", payload.folder / "etc"
    environments.mkdir(parents=True)
    (environments / "current").symlink_to("0123")
    found.mkdir()

    def asks() -> bool:
        (found / "found.env").write_text("")
        ran = run("bash", step)
        assert ran.returncode == 0, ran.stderr
        return (found / "found.env").read_text() == "asked\n"

    assert [asks(), asks()] == [True, False]
    (payload.app / "manage.py").touch()
    assert not asks()
    (payload.app / "manage.py").write_text("# changed\n")
    assert [asks(), asks()] == [True, False]
    payload.settings_env.write_text("PROCESSES=2\n")
    assert asks()
    (environments / "current").unlink()
    (environments / "current").symlink_to("4567")
    assert asks()
    (payload.app / "manage.py").write_text("# changed again\n")
    (payload.folder / "found.env").write_text("")
    assert not asks(), "a bake has asked before"
    (payload.folder / "found.env").unlink()
    assert not asks(), "and nothing has changed since"


def test_release_has_the_projects_own_files_alone(payload: Payload, tmp_path: Path) -> None:
    app, release = payload.app, tmp_path / "release"
    for name in (".env", "db.sqlite3", ".git/config", "a/.ruff_cache/x", "a/my_cache/kept.py"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("x")
    (app / "run.sh").write_text("x")
    (app / "run.sh").chmod(0o755)
    (app / "link").symlink_to("run.sh")
    release.mkdir()
    pack = 'pack "$(id -un)"'
    ran = payload.bash(
        f"{pack} | sha256sum; {pack} | tar -xf - -C '{release}'\n"
        f"chmod 0600 '{app}/requirements.txt'; touch '{app}/requirements.txt'; {pack} | sha256sum\n"
        f"chmod 0644 '{app}/run.sh'; {pack} | sha256sum"
    )
    assert ran.returncode == 0, ran.stderr
    packed = {str(path.relative_to(release)) for path in release.rglob("*")}
    assert {"a/my_cache/kept.py", "run.sh", "link", "manage.py"} <= packed
    assert not {".env", "db.sqlite3", ".git", "a/.ruff_cache"} & packed
    assert (release / "link").is_symlink()
    assert (release / "run.sh").stat().st_mode & 0o777 == 0o750
    first, touched, not_executable = ran.stdout.split()[::2]
    assert first == touched != not_executable

    (app / "link").unlink()
    (app / "link").symlink_to("/etc/hostname")
    ran = payload.bash(f"id=$({{ {pack} | sha256sum; }}); echo went on")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "link is a link to /etc/hostname, which leads out of the project" in ran.stderr


# provision.sh


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


@pytest.fixture
def machine(payload: Payload) -> Payload:
    """provision.sh as if root ran it on Debian 13, with steps that only print."""
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
    (payload.folder / "os-release").write_text("ID=debian\nVERSION_ID=13\n")
    for step in payload.steps.iterdir():
        step.write_text(f"echo this is {step.stem}\n")
    return payload


@pytest.mark.parametrize(
    ("os_release", "name"),
    [("ID=arch\n", "arch-unknown"), ('ID=ubuntu\nVERSION_ID="24.0"\n', "ubuntu-24.0")],
)
def test_unknown_system_is_refused(machine: Payload, os_release: str, name: str) -> None:
    (machine.folder / "os-release").write_text(os_release)
    ran = machine.run()
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"laurel: error: {name} is not a system that Laurel knows: debian-12" in ran.stderr


@pytest.mark.parametrize(
    ("baked", "given", "is_refused"),
    [
        ("PROCESS_MANAGER=supervisor\n", "systemd", True),
        ("PROCESS_MANAGER=systemd\n", "supervisor", True),
        ("MAX_BODY=10m\n", "systemd", True),  # provisioned before there was a choice
        ("PROCESS_MANAGER=systemd\n", "systemd", False),
        ("MAX_BODY=10m\n", "supervisor", False),
    ],
)
def test_other_process_manager_is_refused(
    machine: Payload, baked: str, given: str, is_refused: bool
) -> None:
    (machine.folder / "baked.env").write_text(baked)
    machine.settings_env.write_text(f"PROCESS_MANAGER={given}\n")
    ran = machine.run()
    if is_refused:
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "runs this machine's processes; PROCESS_MANAGER" in ran.stderr
        assert f"PROCESS_MANAGER={given} needs a new machine" in ran.stderr
    else:
        assert ran.returncode == 0, ran.stderr


def test_steps_run_in_order_with_progress(machine: Payload) -> None:
    ran = machine.run()
    assert ran.returncode == 0, ran.stderr
    names = sorted(path.stem for path in machine.steps.iterdir())
    lines = ran.stdout.splitlines()
    assert lines[1:-1:2] == [f"this is {name}" for name in names]
    assert lines[0].startswith(f"laurel: step 1 of {len(names)}: {names[0]} (")
    assert lines[-1].startswith("laurel: provisioned in ")


def test_named_steps_run_alone(machine: Payload) -> None:
    ran = machine.run("20-site", "60-nginx")
    assert ran.stdout.splitlines()[1:-1:2] == ["this is 20-site", "this is 60-nginx"]
    ran = machine.run("20-site", "site")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(
        "laurel: error: there is no step site; the steps are: 10-packages 15-environment"
        " 17-questions 20-site"
    )


def test_failed_step_ends_provisioning(machine: Payload) -> None:
    (machine.steps / "30-channel-layer.sh").write_text("exit 3\n")
    ran = machine.run()
    assert ran.returncode == 1
    assert ran.stderr == "laurel: error: step 30-channel-layer failed\n"
    assert "40-run-directory" not in ran.stdout


def test_templates_are_placed_before_the_reload(payload: Payload) -> None:
    steps = {path.stem: path.read_text() for path in payload.steps.iterdir()}
    (reload,) = [name for name, text in steps.items() if "laurel_tool reload" in text]
    placing = [name for name, text in steps.items() if re.search(r"^\s*render ", text, re.M)]
    assert max(placing) == reload == "60-nginx"
