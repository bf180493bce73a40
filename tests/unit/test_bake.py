"""`make image` from its settings to an image, with stand-ins for Packer and the base's builder."""

import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import bake
import inspection
import payload
import pytest
import settings

PACKER = """#!/bin/bash
echo "$*" >>"$CALLS"
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
mkdir "$output"
qemu-img create -q -f qcow2 "$output/disk.qcow2" 1M
echo '{"release": "abc"}' >"$output.release.json"
"""
BUILD_BASE = """#!/bin/bash
echo "base $*" >>"$CALLS"
touch "$3" "$(dirname "$3")/vmlinuz"
"""


class Tree:
    """A tree with the real settings and var-files, and programs that cost no time."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.folder = folder
        self.build = folder / "build"
        self.bin = folder / "bin"
        self.fail = folder / "fail"
        self.panics = folder / "panics"
        self.calls_file = folder / "calls"
        self.app = folder / "app"
        shutil.copytree(top / "packer" / "os", folder / "packer" / "os")
        (folder / "provision").mkdir()
        for name in ("settings.sh", "lib.sh", "inspect.sh"):
            shutil.copy(top / "provision" / name, folder / "provision")
        shutil.copytree(top / "provision" / "project", folder / "provision" / "project")
        shutil.copytree(top / "tests" / "projects" / "long_poll", self.app)
        self.program("packer/accelerator.sh", "#!/bin/sh\necho tcg\n")
        self.program("packer/base/build.sh", BUILD_BASE)
        self.archive("0123\n")
        self.program("bin/packer", PACKER)
        self.program("bin/sudo", '#!/bin/sh\nexec "$@"\n')
        self.program("bin/uv", "#!/bin/sh\n")

    def program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def archive(self, index: str) -> None:
        """The archive's answer; "" if it can't be asked."""
        answer = f"echo '{index}'" if index else "echo 'no route to the archive' >&2; exit 1"
        # Outside of what an image is made from, or each answer would be another source.
        self.program("bin/archive", f"#!/bin/sh\n{answer}\n")
        self.program("packer/base/archive-index.sh", f"#!/bin/sh\nexec {self.bin}/archive\n")

    def calls(self) -> list[str]:
        """What was run: `base` or `build`, one for each."""
        if not self.calls_file.exists():
            return []
        return [line.split()[0] for line in self.calls_file.read_text().splitlines()]

    def images(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.build / "image").glob("*")}


@pytest.fixture
def tree(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    """The tree that bake.py then works on."""
    made = Tree(top, tmp_path)
    monkeypatch.setattr(bake, "TOP", tmp_path)
    monkeypatch.setattr(bake, "PACKER", tmp_path / "packer")
    monkeypatch.setattr(bake, "PROVISION", tmp_path / "provision")
    monkeypatch.setattr(bake, "BUILD", made.build)
    monkeypatch.setattr(inspection, "TOP", tmp_path)
    monkeypatch.setattr(inspection, "PROVISION", tmp_path / "provision")
    monkeypatch.setattr(payload, "UV", made.bin / "uv")
    for name in ("OS", "APP", "BASE_IMAGE", "BASE_CHECKSUM", *settings.names(top / "provision")):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(made.calls_file))
    monkeypatch.setenv("FAIL", str(made.fail))
    made.panics.write_text("0\n")
    monkeypatch.setenv("PANIC", str(made.panics))
    yield made
    assert not (made.build / "work" / "debian-13").exists()


# What it is told


def test_a_system_that_is_not_known_is_one_line_that_lists_the_known_ones(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OS", "plan-9")
    assert bake.main() == 1
    assert capsys.readouterr().err == (
        "image: OS=plan-9 is not known; known: debian-12, debian-13, ubuntu-24.04\n"
    )
    assert tree.calls() == []


def test_a_folder_that_is_no_project_is_one_line(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APP", str(tree.folder / "packer"))
    assert bake.main() == 1
    assert capsys.readouterr().err == (
        f"image: {tree.folder}/packer has no manage.py, in no folder: name the folder of a Django"
        " project\n"
    )
    assert tree.calls() == []


@pytest.mark.parametrize(
    ("environment", "laurel_env", "refused"),
    [
        ("yes", "", "DEVELOPMENT=yes in the environment"),
        ("", "DEVELOPMENT='yes'\n", "DEVELOPMENT=yes in {app}/laurel.env"),
        ("maybe", "", "DEVELOPMENT=maybe in the environment"),
        ("no", "DEVELOPMENT=yes\n", ""),
        ("", "# DEVELOPMENT=yes\n", ""),
    ],
)
def test_no_image_is_baked_to_develop_on(
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: str,
    laurel_env: str,
    refused: str,
) -> None:
    monkeypatch.setenv("DEVELOPMENT", environment)
    (tree.app / "laurel.env").write_text(laurel_env)
    assert bake.main() == (1 if refused else 0)
    if refused:
        told = capsys.readouterr().err
        assert told.startswith(f"image: {refused.format(app=tree.app)}: no image is baked with it")
        assert tree.calls() == []


def test_settings_of_the_environment_are_those_of_settings_sh(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCESSES", "2")
    monkeypatch.setenv("SITE_HOSTS", "a b=c")
    monkeypatch.setenv("MAX_BODY", "")
    monkeypatch.setenv("EDITOR", "ed")
    assert sorted(settings.given(tree.folder / "provision").splitlines()) == [
        "PROCESSES=2",
        "SITE_HOSTS=a b=c",
    ]


# When it bakes


def test_an_image_is_baked_once(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    assert bake.main() == 0
    assert tree.calls() == ["base", "build"]
    shown = capsys.readouterr().out
    assert re.search(r"\[1/5  \d:\d\d\] what the image is made from", shown)
    assert "of a tool" not in shown
    assert "step 1 of 8: 10-packages" in shown
    assert "noise" not in shown
    before = tree.images()
    assert len([name for name in before if name.startswith("laurel-debian-13-")]) == 1

    assert bake.main() == 0
    assert tree.calls() == ["base", "build"]
    assert "nothing to do" in capsys.readouterr().out
    assert tree.images() == before


def test_a_changed_project_is_baked_on_the_same_base(tree: Tree) -> None:
    bake.main()
    (tree.app / "manage.py").write_text("# changed\n")
    assert bake.main() == 0
    assert tree.calls() == ["base", "build", "build"]


def test_a_changed_setting_is_baked(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    bake.main()
    monkeypatch.setenv("PROCESSES", "2")
    assert bake.main() == 0
    assert tree.calls() == ["base", "build", "build"]


def test_the_code_of_an_export_or_a_box_makes_no_other_image(tree: Tree) -> None:
    files = ("export/raw.py", "box.py", "vagrant_box.py", "stream_optimized.py", "tar.py")
    for file in files:
        tree.program(f"packer/{file}", "# one")
    bake.main()
    for file in files:
        tree.program(f"packer/{file}", "# another")
    bake.main()
    assert tree.calls() == ["base", "build"]
    tree.program("packer/source.pkr.hcl", "# another")
    bake.main()
    assert tree.calls() == ["base", "build", "build"]


def test_a_security_update_in_the_archive_makes_another_base_and_image(tree: Tree) -> None:
    bake.main()
    tree.archive("4567\n")
    assert bake.main() == 0
    assert tree.calls() == ["base", "build", "base", "build"]


def test_a_base_image_of_the_user_is_taken_instead(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE_IMAGE", "/images/vendor.qcow2")
    monkeypatch.setenv("BASE_CHECKSUM", "sha256:abc")
    assert bake.main() == 0
    assert tree.calls() == ["build"]
    called = tree.calls_file.read_text()
    assert "-var=base_image=/images/vendor.qcow2" in called
    assert "-var=base_checksum=sha256:abc" in called


def test_what_the_machine_says_of_itself_is_in_the_manifest(tree: Tree) -> None:
    bake.main()
    (description,) = json.loads((tree.build / "image" / "manifest.json").read_text()).values()
    assert description["release"] == "abc"
    assert description["seconds"]["total"] >= 0
    assert {"key", "sha256"} <= set(description)


# Without the archive


def test_without_the_archive_the_last_answer_holds(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    bake.main()
    tree.archive("")
    capsys.readouterr()
    assert bake.main() == 0
    assert tree.calls() == ["base", "build"]
    shown = capsys.readouterr().out
    assert "the archive can't be asked for security updates; going by the last answer" in shown
    assert "nothing to do" in shown


def test_without_the_archive_a_changed_project_is_baked_on_the_last_base(tree: Tree) -> None:
    bake.main()
    tree.archive("")
    (tree.app / "manage.py").write_text("# changed\n")
    assert bake.main() == 0
    assert tree.calls() == ["base", "build", "build"]


def test_without_the_archive_and_a_former_image_it_ends_with_the_answer_in_its_log(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.archive("")
    assert bake.main() == 1
    error = capsys.readouterr().err
    assert error.startswith("image: the archive of debian-13 can't be asked")
    assert len(error.splitlines()) == 1
    assert "build/logs/bake-debian-13.log" in error
    log = tree.build / "logs" / "bake-debian-13.log"
    assert "no route to the archive" in log.read_text()
    assert tree.calls() == []


# When it fails


def test_a_bake_that_fails_shows_the_last_lines_and_touches_no_image(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert error[-1] == (
        "image: the whole log is build/logs/bake-debian-13.log; no image was touched"
    )
    assert tree.images() == before


def test_an_emulated_kernel_that_panics_is_begun_again_twice_at_most(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.panics.write_text("2\n")
    started = time.monotonic()
    assert bake.main() == 0
    assert time.monotonic() - started < 100  # not 120: when Packer has twice waited for SSH
    assert capsys.readouterr().out.count("the emulated kernel panicked: once more") == 2
    assert tree.images()


@pytest.mark.parametrize(("accelerator", "panics"), [("tcg", 3), ("kvm", 1)])
def test_a_bake_whose_kernel_panics_again_or_on_real_hardware_says_so(
    tree: Tree, accelerator: str, panics: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.program("packer/accelerator.sh", f"#!/bin/sh\necho {accelerator}\n")
    tree.panics.write_text(f"{panics}\n")
    assert bake.main() == 1
    assert "Kernel panic - not syncing: Fatal exception in interrupt" in capsys.readouterr().err
    assert tree.panics.read_text() == "0\n"


def test_a_conversion_that_fails_is_told_without_a_traceback(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.program("bin/qemu-img", "#!/bin/sh\n[ $1 = create ] && touch $5 || exit 1\n")
    assert bake.main() == 1
    assert "image: failed in: the image, compressed" in capsys.readouterr().err
    assert tree.images() == {}


def test_a_bake_that_is_told_to_end_ends_packer_and_touches_no_image(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.program("bin/packer", "#!/bin/sh\necho $$ >packer.pid\nexec sleep 60\n")
    pid = tree.folder / "packer.pid"

    def end_it() -> None:
        deadline = time.monotonic() + 60
        while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_it).start()
    assert bake.main() == 130
    assert capsys.readouterr().err == "\nimage: interrupted in: the bake; no image was touched\n"
    assert tree.images() == {}
    assert not Path("/proc", pid.read_text().strip()).exists()
