"""`make image` and `make prepare`, with stand-ins for Packer and all that needs a root file system.

Every path holds a blank.
"""

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import bake
import inspection
import layers
import payload
import prepare
import pytest
import run
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
if (($(grep -c ^build "$CALLS") <= ${PANICS:-0})); then
	echo "[ 6.7] Kernel panic - not syncing: Fatal exception in interrupt" >"$output.console"
	sleep 60
fi
# A bake that runs at the same time, if the test starts one.
for _ in {1..100}; do
	(($(grep -c ^build "$CALLS") < ${TOGETHER:-1})) || break
	sleep 0.1
done
mkdir "$output" && qemu-img create -q -f qcow2 "$output/disk.qcow2" 1M &&
	echo '{"release": "abc"}' >"$output.release.json"
"""
FAILING_PACKER = PACKER + 'echo "the disk is full"; exit 1\n'
# Fails in the last step, after it has written half of the image.
FAILING_QEMU_IMG = """#!/bin/sh
for last; do :; done
[ "$2" != -c ] || { echo half >"$last"; exit 1; }
exec /usr/bin/qemu-img "$@"
"""
ARCHIVE = "#!/bin/sh\necho 0123\n"
BUILD_BASE = """#!/bin/bash
echo "base $*" >>"$CALLS"
sleep 0.2
mkdir "$3/root"
touch "$3/vmlinuz"
"""
# Runs a step: resolves the requirements to a new version each time, unless the payload has a lock.
ISOLATE = """#!/bin/bash
step=${!#} root=$2 payload=$3
echo "${step#*-}" >>"$CALLS"
sleep 0.2
if [[ $step == 15-environment ]]; then
	mkdir -p "$root/var/cache/laurel"
	cp "$payload/requirements.lock" "$root/var/cache/laurel" 2>/dev/null ||
		echo "django==5.$(wc -l <"$CALLS")" >"$root/var/cache/laurel/requirements.lock"
fi
"""
# Fails in a step, after it has written a part of the layer.
FAILING_ISOLATE = """#!/bin/bash
touch "$2/half"
echo "no space left"
[[ ${!#} != 15-environment ]]
"""
DISK = """#!/bin/bash
echo disk >>"$CALLS"
cp "$1/var/cache/laurel/requirements.lock" "$3"
"""
FIRST = ["base", "packages", "environment", "disk", "build"]  # the programs of a first bake
Capture = pytest.CaptureFixture[str]


class Tree:
    """A tree with the real template, settings and var-files, and programs that take no time."""

    def __init__(self, top: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.build = folder / "build"
        self.bin = folder / "bin"
        self.calls_file = folder / "calls"
        self.app = folder / "app"
        shutil.copytree(top / "packer" / "os", folder / "packer" / "os")
        for file in (*(top / "packer").glob("*.pkr.hcl"), top / "packer" / "template.sh"):
            shutil.copy(file, folder / "packer")
        for name in {*layers.PACKAGES, *layers.ENVIRONMENT}:
            target = folder / "provision" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (top / "provision" / name).is_dir() else shutil.copy
            copy(top / "provision" / name, target)
        shutil.copytree(top / "tests" / "projects" / "long_poll", self.app)
        self.program("packer/accelerator.sh", "#!/bin/sh\necho ${ACCELERATOR:-tcg}\n")
        self.program("packer/base/build.sh", BUILD_BASE)
        self.program("packer/disk.sh", DISK)
        self.program("packer/layer.sh", (top / "packer/layer.sh").read_text())
        # Outside of packer/ and provision/, where each would be another source of the image.
        for name, program in (
            ("packer/base/archive-index.sh", "archive"),
            ("provision/isolate.sh", "isolate"),
        ):
            self.program(name, f"#!/bin/sh\nexec '{self.bin}/{program}' \"$@\"\n")
        self.program("bin/archive", ARCHIVE)
        self.program("bin/isolate", ISOLATE)
        self.program("bin/packer", PACKER)
        self.program("bin/uv", "#!/bin/sh\n")
        self.set = monkeypatch.setenv

    def program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def change_project(self) -> None:
        (self.app / "manage.py").write_text("# changed\n")

    def calls(self) -> list[str]:
        """The programs that ran: `init`, or those of FIRST."""
        if not self.calls_file.exists():
            return []
        return [line.split()[0] for line in self.calls_file.read_text().splitlines()]

    def bake(self) -> list[str]:
        """Bake; return the programs that ran."""
        before = len(self.calls())
        assert bake.main() == 0
        return self.calls()[before:]

    @property
    def lock(self) -> Path:
        """The lock of the last requirements."""
        return max((self.build / "locks").iterdir(), key=lambda path: path.stat().st_mtime_ns)

    def description(self) -> dict[str, Any]:
        """What the manifest says about the image."""
        manifest = json.loads((self.build / "image" / "manifest.json").read_text())
        (description,) = manifest.values()
        return dict(description)

    def images(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.build / "image").glob("*")}


@pytest.fixture
def tree(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """The tree that bake.py and prepare.py work on."""
    folder = tmp_path / "a tree"
    folder.mkdir()
    made = Tree(top, folder, monkeypatch)
    for module in (bake, prepare):
        monkeypatch.setattr(module, "TOP", folder)
        monkeypatch.setattr(module, "PACKER", folder / "packer")
        monkeypatch.setattr(module, "PROVISION", folder / "provision")
        monkeypatch.setattr(module, "BUILD", made.build)
    monkeypatch.setattr(inspection, "TOP", folder)
    monkeypatch.setattr(inspection, "ask", lambda *_: None)  # test_questions.py runs projects
    monkeypatch.setattr("names.OWN", made.app)
    monkeypatch.setattr(payload, "UV", made.bin / "uv")
    for name in ("OS", "APP", "BASE_IMAGE", "BASE_CHECKSUM", *BAKED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(made.calls_file))
    monkeypatch.setattr(run, "WATCH_SECONDS", 0.1)
    return made


@pytest.mark.parametrize(
    ("option", "refused"),
    [
        ("OS=plan-9", "OS=plan-9 is not known; known: debian-12, debian-13, ubuntu-24.04"),
        ("APP=/nonexistent", "/nonexistent is not a folder"),
        ("DEVELOPMENT=yes", "DEVELOPMENT=yes: no image is baked with it"),
    ],
)
def test_invalid_options_are_refused_in_one_line(
    tree: Tree, capsys: Capture, option: str, refused: str
) -> None:
    tree.set(*option.split("="))
    assert bake.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("image: ")
    assert refused in line
    assert tree.calls() == []


# When an image is baked


def test_current_image_is_not_baked_again(tree: Tree, capsys: Capture) -> None:
    assert tree.bake() == FIRST
    shown = capsys.readouterr().out
    assert re.search(r"\[1/6  \d:\d\d\] what the image is made from", shown)
    assert re.search(r"\[6/6  \d:\d\d\] done: ", shown)
    assert "step 1 of 8: 10-packages" in shown
    assert "of a tool" not in shown
    assert "noise" not in shown
    before = tree.images()
    description = tree.description()
    assert description["release"] == "abc"
    assert description["seconds"]["total"] >= 0
    assert list((tree.build / "work").glob("*/")) == []

    assert tree.bake() == []
    assert "nothing to do: build/image/laurel-debian-13-amd64.qcow2" in capsys.readouterr().out
    assert tree.images() == before


def test_each_change_is_baked(tree: Tree) -> None:
    assert tree.bake() == FIRST
    tree.change_project()
    assert tree.bake() == ["build"]
    tree.set("PROCESSES", "2")
    assert tree.bake() == ["build"]
    tree.program("packer/source.pkr.hcl", "# changed")
    assert tree.bake() == ["build"]
    tree.program("bin/archive", "#!/bin/sh\necho 4567\n")
    assert tree.bake() == FIRST
    assert len(list((tree.build / "base" / "debian-13").iterdir())) == 1
    for file in ("export/raw.py", "box.py", "vagrant_box.py", "laurel.auto.pkrvars.hcl"):
        tree.program(f"packer/{file}", "# changed")
    assert tree.bake() == []


def test_base_image_and_packer_of_the_operator_are_used(tree: Tree) -> None:
    tree.set("BASE_IMAGE", "/images/vendor.qcow2")
    tree.set("BASE_CHECKSUM", "sha256:abc")
    tree.set("PACKER_VERSION", "1.11.2")
    assert bake.main() == 0
    assert tree.calls() == ["init", "build"]  # the machine itself makes what the layers hold
    called = tree.calls_file.read_text()
    assert "-var=base_image=/images/vendor.qcow2" in called
    assert "-var=base_checksum=sha256:abc" in called
    assert called.endswith("/packer\n"), "1.6 takes a template without plugins"


def test_concurrent_bakes_share_layers_and_image(tree: Tree) -> None:
    tree.set("TOGETHER", "2")
    plan = prepare.plan()
    other = replace(plan, project=shutil.copytree(tree.app, tree.folder / "shop"))
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda each: bake.run(each, Progress(5)), (plan, plan, other)))
    of_each_project = ["environment", "disk", "build"] * 2
    assert sorted(tree.calls()) == sorted(["base", "packages", *of_each_project])
    assert {plan.name, other.name} <= set(tree.images())


def test_former_packages_serve_while_the_archive_is_silent(tree: Tree, capsys: Capture) -> None:
    tree.program("bin/archive", "#!/bin/sh\necho 'no route to the archive' >&2\nexit 1\n")
    assert bake.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    log = "build/logs/bake-debian-13.log"
    assert line.startswith("image: the archive of debian-13 does not answer")
    assert line.endswith(log)
    assert "no route to the archive" in (tree.folder / log).read_text()
    assert tree.calls() == []

    tree.program("bin/archive", ARCHIVE)
    assert bake.main() == 0
    tree.program("bin/archive", "#!/bin/sh\nexit 1\n")
    assert bake.main() == 0
    assert "does not answer: using the packages of the former image" in capsys.readouterr().out
    tree.change_project()
    assert bake.main() == 0
    assert tree.calls() == [*FIRST, "build"]


# Layers and the lock


def test_only_the_layers_above_a_change_are_made_again(tree: Tree) -> None:
    assert tree.bake() == FIRST
    tree.change_project()
    assert tree.bake() == ["build"]
    with (tree.app / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    assert tree.bake() == ["environment", "disk", "build"]
    tree.program("bin/archive", "#!/bin/sh\necho 4567\n")
    assert tree.bake() == FIRST
    kinds = [path.parent.name for path in (tree.build / "layers").glob("*/*/*")]
    assert sorted(kinds) == ["environment", "packages-supervisor"], "a former layer is left"


def test_lock_decides_the_versions_of_each_bake(tree: Tree) -> None:
    tree.bake()
    resolved = tree.lock.read_text()
    assert tree.description()["requirements"] == [resolved.strip()]
    tree.program("bin/archive", "#!/bin/sh\necho 4567\n")
    assert tree.bake() == FIRST
    assert tree.lock.read_text() == resolved

    tree.lock.write_text("django==4.2\n")
    assert tree.bake() == ["environment", "disk", "build"]
    assert tree.description()["requirements"] == ["django==4.2"]
    (disk,) = (tree.build / "layers").rglob("disk.qcow2")
    assert disk.read_text() == "django==4.2\n"
    tree.lock.unlink()
    assert tree.bake() == ["environment", "disk", "build"]
    assert tree.lock.read_text() not in (resolved, "django==4.2\n")


def test_failed_step_leaves_no_half_made_layer(tree: Tree, capsys: Capture) -> None:
    tree.program("bin/isolate", FAILING_ISOLATE)
    assert bake.main() == 1
    error = capsys.readouterr().err.splitlines()
    assert error[1].startswith("image: failed in: the project in its virtual environment: ")
    assert error[-2].endswith("no space left")
    made = [path.parts[-3] for path in (tree.build / "layers").glob("*/*/*/root*")]
    assert made == ["packages-supervisor"]
    assert not (tree.build / "locks").exists()
    tree.program("bin/isolate", ISOLATE)
    assert tree.bake() == ["environment", "disk", "build"]


# Failures


@pytest.mark.parametrize(
    ("program", "text", "failed", "last"),
    [
        ("packer", FAILING_PACKER, "the bake: packer ended with exit code 1", "the disk is full"),
        ("qemu-img", FAILING_QEMU_IMG, "the image, compressed: qemu-img ended with", ""),
    ],
)
def test_failed_bake_shows_the_last_lines_and_keeps_the_former_image(
    tree: Tree, capsys: Capture, program: str, text: str, failed: str, last: str
) -> None:
    bake.main()
    before = tree.images()
    tree.change_project()
    tree.program(f"bin/{program}", text)
    capsys.readouterr()
    assert bake.main() == 1
    error = capsys.readouterr().err.splitlines()
    assert error[1].startswith(f"image: failed in: {failed}")
    assert error[-2].endswith(last)
    assert error[-1].endswith("log is build/logs/bake-debian-13.log; no image was touched")
    assert tree.images() == before
    assert list((tree.build / "work").glob("*/")) == []


@pytest.mark.parametrize(
    ("accelerator", "panics", "boots"), [("tcg", 2, 3), ("tcg", 3, 3), ("kvm", 1, 1)]
)
def test_panic_of_an_emulated_kernel_is_retried_twice(
    tree: Tree, capsys: Capture, accelerator: str, panics: int, boots: int
) -> None:
    tree.set("ACCELERATOR", accelerator)
    tree.set("PANICS", str(panics))
    failed = panics == boots
    assert bake.main() == failed
    assert tree.calls() == [*FIRST[:-1], *["build"] * boots]
    shown = capsys.readouterr()
    assert ("Kernel panic - not syncing: Fatal exception" in shown.err) == failed
    assert shown.out.count("the emulated kernel panicked: trying again") == boots - 1


# `packer build` by hand, with the real Packer


def packer(tree: Tree, command: str) -> subprocess.CompletedProcess[str]:
    """Run the real Packer on the template, after template.sh."""
    (tree.bin / "packer").unlink(missing_ok=True)
    script = """folder=$(packer/template.sh "by hand") &&
    exec packer "$0" -var-file=packer/os/debian-13.pkrvars.hcl "$folder" """
    return subprocess.run(
        ["bash", "-c", script, command],
        env={**os.environ, "CHECKPOINT_DISABLE": "1"},
        cwd=tree.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_packer_build_by_hand_needs_make_prepare(tree: Tree, capsys: Capture) -> None:
    assert prepare.main() == 0
    shown = capsys.readouterr().out.splitlines()[-1]
    assert shown.startswith("packer build -force -var-file=packer/os/debian-13.pkrvars.hcl build/")
    variables = tree.folder / "packer" / "laurel.auto.pkrvars.hcl"
    paths = [Path(path) for path in re.findall(r'"(/.*)"', variables.read_text())]
    assert [path.name for path in paths if not path.exists()] == ["packer-output"]
    assert len(paths) == 5
    validated = packer(tree, "validate")
    assert validated.returncode == 0, validated.stdout
    variables.unlink()
    built = packer(tree, "build")
    assert built.returncode == 1
    assert "/run-make-prepare-first/base.qcow2: no such file" in built.stdout
