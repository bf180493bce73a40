"""`make image` and `make prepare`, with stand-ins for Packer and the builder of the base disk.

Every path holds a blank.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bake
import inspection
import payload
import prepare
import pytest
from laurel.schema import BAKED
from progress import Progress

PACKER = """#!/bin/bash
if [[ $1 == version ]]; then echo "Packer v${PACKER_VERSION:-1.6.6}"; exit; fi
echo "$*" >>"$CALLS"
if [[ $1 == init ]]; then exit; fi
for argument; do
	case $argument in -var=output_directory=*) output=${argument#*=*=} ;; esac
done
echo "==> qemu.laurel: Waiting for SSH to become available..."
echo "    qemu.laurel: laurel: step 1 of 8: 10-packages (0 s)"
echo "    qemu.laurel: error: of a tool, after which a step goes another way"
seq -f "noise %g" 30
if read -r left <"$PANIC" && ((left > 0)); then
	echo $((left - 1)) >"$PANIC"
	echo "[ 6.7] Kernel panic - not syncing: Fatal exception in interrupt" >"$output.console"
	sleep 60
fi
if [[ -e $FAIL ]]; then echo "the disk is full"; exit 1; fi
# A bake that runs at the same time, if the test starts one.
for _ in {1..100}; do
	(($(grep -c ^build "$CALLS") < ${TOGETHER:-1})) || break
	sleep 0.1
done
mkdir "$output" && qemu-img create -q -f qcow2 "$output/disk.qcow2" 1M &&
	echo '{"release": "abc"}' >"$output.release.json"
"""
BUILD_BASE = """#!/bin/bash
echo "base $*" >>"$CALLS"
sleep 0.2
touch "$3" "$(dirname "$3")/vmlinuz"
"""
Capture = pytest.CaptureFixture[str]


class Tree:
    """A tree with the real template, settings and var-files, and programs that take no time."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.folder = folder
        self.build = folder / "build"
        self.bin = folder / "bin"
        self.fail = folder / "fail"
        self.panics = folder / "panics"
        self.calls_file = folder / "calls"
        self.app = folder / "app"
        self.log = self.build / "logs" / "bake-debian-13.log"
        shutil.copytree(top / "packer" / "os", folder / "packer" / "os")
        for file in (*(top / "packer").glob("*.pkr.hcl"), top / "packer" / "template.sh"):
            shutil.copy(file, folder / "packer")
        (folder / "provision").mkdir()
        shutil.copy(top / "provision" / "lib.sh", folder / "provision")
        shutil.copytree(top / "tests" / "projects" / "long_poll", self.app)
        self.program("packer/accelerator.sh", "#!/bin/sh\necho tcg\n")
        self.program("packer/base/build.sh", BUILD_BASE)
        self.archive("0123\n")
        self.program("bin/packer", PACKER)
        self.program("bin/uv", "#!/bin/sh\n")

    def program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def archive(self, index: str) -> None:
        """Set the archive's answer; "" if it does not answer."""
        answer = f"echo '{index}'" if index else "echo 'no route to the archive' >&2; exit 1"
        # Outside of packer/: there, each answer would be another source of the image.
        self.program("bin/archive", f"#!/bin/sh\n{answer}\n")
        self.program("packer/base/archive-index.sh", f"#!/bin/sh\nexec '{self.bin}/archive'\n")

    def calls(self) -> list[str]:
        """The programs that ran: `base`, `build` or `init`."""
        if not self.calls_file.exists():
            return []
        return [line.split()[0] for line in self.calls_file.read_text().splitlines()]

    def images(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.build / "image").glob("*")}


@pytest.fixture
def tree(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """The tree that bake.py and prepare.py work on."""
    folder = tmp_path / "a tree"
    folder.mkdir()
    made = Tree(top, folder)
    for module in (bake, prepare):
        monkeypatch.setattr(module, "TOP", folder)
        monkeypatch.setattr(module, "PACKER", folder / "packer")
        monkeypatch.setattr(module, "PROVISION", folder / "provision")
        monkeypatch.setattr(module, "BUILD", made.build)
    monkeypatch.setattr(inspection, "TOP", folder)
    monkeypatch.setattr("names.OWN", made.app)
    monkeypatch.setattr(payload, "UV", made.bin / "uv")
    for name in ("OS", "APP", "BASE_IMAGE", "BASE_CHECKSUM", *BAKED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(made.calls_file))
    monkeypatch.setenv("FAIL", str(made.fail))
    made.panics.write_text("0\n")
    monkeypatch.setenv("PANIC", str(made.panics))
    return made


# Refusals, before anything is built


@pytest.mark.parametrize(
    ("variable", "value", "refused"),
    [
        ("OS", "plan-9", "OS=plan-9 is not known; known: debian-12, debian-13, ubuntu-24.04"),
        ("APP", "packer", "packer has no manage.py"),
        ("DEVELOPMENT", "yes", "DEVELOPMENT=yes: no image is baked with it"),
    ],
)
def test_invalid_options_are_refused_in_one_line(
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    variable: str,
    value: str,
    refused: str,
) -> None:
    monkeypatch.setenv(variable, str(tree.folder / value) if variable == "APP" else value)
    assert bake.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("image: ")
    assert refused in line
    assert tree.calls() == []


@pytest.mark.parametrize(
    ("environment", "laurel_env", "code"),
    [("", "DEVELOPMENT='yes'\n", 1), ("no", "DEVELOPMENT=yes\n", 0), ("", "# DEVELOPMENT=yes", 0)],
)
def test_development_in_laurel_env_is_refused(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, environment: str, laurel_env: str, code: int
) -> None:
    monkeypatch.setenv("DEVELOPMENT", environment)
    (tree.app / "laurel.env").write_text(laurel_env)
    assert bake.main() == code


# When an image is baked


def test_current_image_is_not_baked_again(tree: Tree, capsys: Capture) -> None:
    assert bake.main() == 0
    assert tree.calls() == ["base", "build"]
    shown = capsys.readouterr().out
    assert re.search(r"\[1/5  \d:\d\d\] what the image is made from", shown)
    assert "step 1 of 8: 10-packages" in shown
    assert "of a tool" not in shown
    assert "noise" not in shown
    before = tree.images()
    (description,) = json.loads((tree.build / "image" / "manifest.json").read_text()).values()
    assert description["release"] == "abc"
    assert description["seconds"]["total"] >= 0

    assert bake.main() == 0
    assert tree.calls() == ["base", "build"]
    assert "nothing to do: build/image/laurel-debian-13-amd64.qcow2" in capsys.readouterr().out
    assert tree.images() == before
    assert list((tree.build / "work").glob("*/")) == []


def change_project(tree: Tree, _: pytest.MonkeyPatch) -> None:
    (tree.app / "manage.py").write_text("# changed\n")


def change_setting(_: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSES", "2")


def change_template(tree: Tree, _: pytest.MonkeyPatch) -> None:
    tree.program("packer/source.pkr.hcl", "# changed")


def change_archive(tree: Tree, _: pytest.MonkeyPatch) -> None:
    tree.archive("4567\n")


def change_exports(tree: Tree, _: pytest.MonkeyPatch) -> None:
    for file in ("export/raw.py", "box.py", "vagrant_box.py", "stream_optimized.py", "tar.py"):
        tree.program(f"packer/{file}", "# changed")
    tree.program("packer/laurel.auto.pkrvars.hcl", "")


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (change_project, ["build"]),
        (change_setting, ["build"]),
        (change_template, ["build"]),
        (change_archive, ["base", "build"]),
        (change_exports, []),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_change_is_baked(
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Tree, pytest.MonkeyPatch], None],
    again: list[str],
) -> None:
    bake.main()
    change(tree, monkeypatch)
    assert bake.main() == 0
    assert tree.calls() == ["base", "build", *again]
    assert len(list((tree.build / "base" / "debian-13").iterdir())) == 1


def test_base_image_of_the_operator_is_used(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_IMAGE", "/images/vendor.qcow2")
    monkeypatch.setenv("BASE_CHECKSUM", "sha256:abc")
    assert bake.main() == 0
    assert tree.calls() == ["build"]
    called = tree.calls_file.read_text()
    assert "-var=base_image=/images/vendor.qcow2" in called
    assert "-var=base_checksum=sha256:abc" in called


@pytest.mark.parametrize(("version", "init"), [("1.6.6", []), ("1.11.2", ["init"])])
def test_packer_1_6_gets_a_template_without_plugins(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, version: str, init: list[str]
) -> None:
    monkeypatch.setenv("PACKER_VERSION", version)
    assert bake.main() == 0
    assert tree.calls() == ["base", *init, "build"]
    called = tree.calls_file.read_text().rstrip()
    assert called.endswith("/template") == (version == "1.6.6")
    assert called.endswith("/packer") == (version != "1.6.6")


# Bakes at the same time


def test_two_bakes_of_one_system_do_not_disturb_each_other(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOGETHER", "2")
    plan = prepare.plan()
    other = replace(plan, project=shutil.copytree(tree.app, tree.folder / "shop"))
    run_together(plan, other)
    assert sorted(tree.calls()) == ["base", "build", "build"]
    assert {plan.name, other.name} <= set(tree.images())


def test_same_image_is_baked_once_by_two_bakes(tree: Tree) -> None:
    run_together(prepare.plan(), prepare.plan())
    assert tree.calls() == ["base", "build"]


def run_together(*plans: prepare.Plan) -> None:
    threads = [threading.Thread(target=bake.run, args=(plan, Progress(5))) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)


# Without the archive


@pytest.mark.parametrize(("changed", "again"), [(False, []), (True, ["build"])])
def test_former_packages_serve_while_the_archive_is_silent(
    tree: Tree, capsys: Capture, changed: bool, again: list[str]
) -> None:
    bake.main()
    tree.archive("")
    if changed:
        (tree.app / "manage.py").write_text("# changed\n")
    assert bake.main() == 0
    assert tree.calls() == ["base", "build", *again]
    assert "does not answer: using the packages of the former image" in capsys.readouterr().out


@pytest.mark.parametrize("main", [bake.main, prepare.main])
def test_silent_archive_without_a_former_image_is_an_error(
    tree: Tree, capsys: Capture, main: Callable[[], int]
) -> None:
    tree.archive("")
    assert main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the archive of debian-13 does not answer" in line
    assert "build/logs/bake-debian-13.log" in line
    assert "no route to the archive" in tree.log.read_text()
    assert tree.calls() == []


# Failures


def test_failed_bake_shows_the_last_lines_and_touches_no_image(tree: Tree, capsys: Capture) -> None:
    bake.main()
    before = tree.images()
    (tree.app / "manage.py").write_text("# changed\n")
    tree.fail.touch()
    capsys.readouterr()
    assert bake.main() == 1
    error = capsys.readouterr().err.splitlines()
    assert error[1] == "image: failed in: the bake: packer ended with exit code 1"
    assert error[-2] == "  | the disk is full"
    assert len([line for line in error if line.startswith("  | ")]) == 20
    assert error[-1].endswith("log is build/logs/bake-debian-13.log; no image was touched")
    assert tree.images() == before
    assert list((tree.build / "work").glob("*/")) == []


@pytest.mark.parametrize(
    ("accelerator", "panics", "code"), [("tcg", 2, 0), ("tcg", 3, 1), ("kvm", 1, 1)]
)
def test_panic_of_an_emulated_kernel_is_retried_twice(
    tree: Tree, capsys: Capture, accelerator: str, panics: int, code: int
) -> None:
    tree.program("packer/accelerator.sh", f"#!/bin/sh\necho {accelerator}\n")
    tree.panics.write_text(f"{panics}\n")
    assert bake.main() == code
    told = capsys.readouterr()
    assert ("Kernel panic - not syncing: Fatal exception" in told.err) == bool(code)
    assert told.out.count("the emulated kernel panicked: trying again") == min(panics, 2) * (
        accelerator == "tcg"
    )
    assert tree.panics.read_text() == "0\n"


def test_failed_conversion_is_reported(tree: Tree, capsys: Capture) -> None:
    tree.program("bin/qemu-img", '#!/bin/sh\n[ $1 = create ] && touch "$5" || exit 1\n')
    assert bake.main() == 1
    assert "image: failed in: the image, compressed" in capsys.readouterr().err
    assert tree.images() == {}


def test_sigterm_ends_packer_and_touches_no_image(tree: Tree, capsys: Capture) -> None:
    build = '[ $1 = version ] && echo Packer v1.6.6 && exit\necho $$ >"$CALLS"\nexec sleep 60\n'
    tree.program("bin/packer", f"#!/bin/sh\n{build}")

    def end_it() -> None:
        deadline = time.monotonic() + 60
        while "base" in tree.calls() or not tree.calls():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_it).start()
    assert bake.main() == 130
    assert capsys.readouterr().err == "\nimage: interrupted in: the bake; no image was touched\n"
    assert tree.images() == {}
    assert not Path("/proc", tree.calls()[0]).exists()


# `packer build` by hand, with the real Packer


def packer(tree: Tree, command: str) -> subprocess.CompletedProcess[str]:
    """Run the real Packer on the template, after template.sh."""
    (tree.bin / "packer").unlink(missing_ok=True)
    folder = tree.folder / "by hand"
    template = subprocess.run(
        [tree.folder / "packer" / "template.sh", folder], capture_output=True, text=True, check=True
    ).stdout.strip()
    return subprocess.run(
        ["packer", command, f"-var-file={tree.folder}/packer/os/debian-13.pkrvars.hcl", template],
        env={**os.environ, "CHECKPOINT_DISABLE": "1"},
        cwd=tree.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_packer_build_names_make_prepare_if_nothing_is_prepared(tree: Tree) -> None:
    assert packer(tree, "validate").returncode == 0
    built = packer(tree, "build")
    assert built.returncode == 1
    assert "/run-make-prepare-first/base.qcow2: no such file" in built.stdout


def test_prepared_variables_are_valid(tree: Tree, capsys: Capture) -> None:
    assert prepare.main() == 0
    shown = capsys.readouterr().out.splitlines()[-1]
    assert shown.startswith("packer build -force -var-file=packer/os/debian-13.pkrvars.hcl build/")
    variables = (tree.folder / "packer" / "laurel.auto.pkrvars.hcl").read_text()
    paths = [Path(path) for path in re.findall(r'"(/.*)"', variables)]
    assert [path.name for path in paths if not path.exists()] == ["packer-output"]
    assert len(paths) == 5
    validated = packer(tree, "validate")
    assert validated.returncode == 0, validated.stdout
