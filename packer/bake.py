"""`make image`: bakes the image of one system, unless it is there already.

Settings come from the environment: OS, APP, BASE_IMAGE, BASE_CHECKSUM, and those of
provision/settings.toml.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cli
import inspection
import payload
import scrub
import settings
import sources
from base_disk import BaseDisk
from images import Images
from inspection import InspectionError
from progress import Progress, clock, shown
from run import CommandError, logged, output
from scrub import ScrubError
from settings import SettingError
from sources import SourceError

TOP = Path(__file__).resolve().parent.parent
PACKER = TOP / "packer"
PROVISION = TOP / "provision"
BUILD = TOP / "build"
# What an image is made into afterwards, and what makes a box: neither makes another image.
AFTERWARDS = ("export", "box.py", "vagrant_box.py", "stream_optimized.py", "tar.py")
BOOTS = 3  # of an emulated kernel that panics

USER_DATA = """#cloud-config
users:
  - name: laurel-build
    shell: /bin/bash
    lock_passwd: true
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys: ["{key}"]
# Of what cloud-init does to an instance, the bake needs this much.
cloud_init_modules: [write_files, users_groups, ssh]
cloud_config_modules: []
cloud_final_modules: []
# The disk of a bake that is cut short is thrown away: dpkg need not wait for it at each file.
write_files:
  - path: /etc/dpkg/dpkg.cfg.d/laurel-build
    content: force-unsafe-io
"""


class BakeError(Exception):
    """What was wrong, where, and what to do."""


@dataclass(frozen=True)
class Plan:
    """One bake: the system, the project, and where its parts lie."""

    os: str
    var_file: Path
    project: Path
    requirements: str
    python_version: str
    base_image: str
    log: Path

    @property
    def name(self) -> str:
        """laurel-OS-ARCHITECTURE.qcow2; the project's folder is named if it is not app/."""
        project = "" if self.project.name == "app" else f"{self.project.name}-"
        return f"laurel-{project}{self.os}-{output('dpkg', '--print-architecture').strip()}.qcow2"

    @property
    def base_disk(self) -> BaseDisk:
        return BaseDisk(PACKER / "base", self.var_file, BUILD / "base" / self.os, self.log)


def main() -> int:
    """Bake; return the exit code."""
    progress = Progress(total=5)
    return cli.run(
        "image",
        lambda: bake(_plan(), progress),
        progress=progress,
        refusals=(BakeError, InspectionError, ScrubError, SettingError, SourceError),
        shown=lambda path: shown(path, TOP),
    )


def bake(plan: Plan, progress: Progress) -> None:
    """From the settings to a finished image."""
    images = Images(BUILD / "image")
    plan.log.parent.mkdir(parents=True, exist_ok=True)
    plan.log.unlink(missing_ok=True)

    progress.step("what the image is made from")
    given = settings.given()
    base_key = _base_key(plan, progress, images)
    if images.is_current(plan.name, _key(plan, given, base_key)):
        image = shown(images.folder / plan.name, TOP)
        progress.note(f"nothing to do: {image} is made from just this")
        return
    inspection.refuse_unresolvable(plan.project, plan.requirements, plan.python_version)

    progress.step(f"the base disk of {plan.os}")
    base, accelerator = _base_disk(plan, base_key, progress)
    progress.note(f"accelerator: {accelerator}")

    progress.step("the bake")
    work = BUILD / "work" / plan.os
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        revision, dirty = _revision()
        payload.write(
            work / "payload.tar.gz",
            provision=PROVISION,
            project=plan.project,
            settings=given,
            revision=revision,
            dirty=dirty,
            uv=payload.UV,
        )
        # Of what was packed just now: somebody may have edited while the base disk was built.
        key = _key(plan, given, base_key)
        _seed(work)
        # QEMU 7.2's emulation of several CPUs makes one boot of some twenty panic, and more of
        # them on a busy host.
        boots_left = BOOTS if accelerator == "tcg" else 1
        while True:
            boots_left -= 1
            try:
                release = _packer(plan, base, accelerator, work, progress)
                break
            except CommandError:
                if not boots_left or not _panic(work):
                    raise
            progress.note("the emulated kernel panicked: once more")
            _console(work).unlink()

        progress.step("the image, compressed")
        published = images.publish(
            _scrubbed(work / "output" / "disk.qcow2", plan.log, progress),
            plan.name,
            lambda: {
                **release,
                "key": key,
                "base": base_key,
                "seconds": {**progress.durations(), "total": round(progress.elapsed, 1)},
            },
            plan.log,
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)

    progress.step(f"done: {shown(published, TOP)}, {published.stat().st_size >> 20} MiB")
    for step, seconds in progress.durations().items():
        if seconds >= 1:
            print(f"{clock(seconds):>12}  {step}")


def _plan() -> Plan:
    system = settings.system()
    var_file = settings.var_file(PACKER / "os", system)
    project = inspection.folder()
    version = inspection.python_version(var_file)
    requirements = inspection.inspect(project, version)["REQUIREMENTS"]
    settings.refuse_development(project)
    return Plan(
        os=system,
        var_file=var_file,
        project=project,
        requirements=requirements,
        python_version=version,
        base_image=os.environ.get("BASE_IMAGE", ""),
        log=BUILD / "logs" / f"bake-{system}.log",
    )


def _key(plan: Plan, given: str, base_key: str) -> str:
    """What the image is made from: the template, the steps, the project, the settings, the base."""
    folders = [PACKER, PROVISION, plan.project]
    without = [PACKER / name for name in AFTERWARDS]
    return sources.digest(folders, plan.os, given, base_key, without=without)


def _base_key(plan: Plan, progress: Progress, images: Images) -> str:
    """What the base disk is made from; it changes when the archive's packages do."""
    if plan.base_image:
        path = Path(plan.base_image)
        checksum = os.environ.get("BASE_CHECKSUM", "")
        return sources.file_digest(path) if path.is_file() else plan.base_image + checksum
    index = plan.base_disk.index()
    if not index:
        index = images.description(plan.name).get("base", "")
        if not index:
            raise BakeError(
                f"the archive of {plan.os} can't be asked, and no image was baked before;"
                f" its answer is in {shown(plan.log, TOP)}"
            )
        progress.note("the archive can't be asked for security updates; going by the last answer")
    return index


def _base_disk(plan: Plan, index: str, progress: Progress) -> tuple[str, str]:
    """The disk to start from, built if it is not there, and the accelerator that runs it."""
    accelerator = str(PACKER / "accelerator.sh")
    if plan.base_image:
        return plan.base_image, output(accelerator).strip()
    built = plan.base_disk.build(index, progress)
    return str(built / "base.qcow2"), output(accelerator, str(built / "vmlinuz")).strip()


def _seed(work: Path) -> None:
    """Write the key of this bake, and the seed from which cloud-init makes the build user."""
    key = work / "key"
    output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laurel-build", "-f", str(key))
    seed = work / "seed"
    seed.mkdir()
    public = key.with_suffix(".pub").read_text().strip()
    (seed / "user-data").write_text(USER_DATA.format(key=public))
    (seed / "meta-data").write_text("instance-id: bake\nlocal-hostname: bake\n")
    (seed / "vendor-data").write_text("")


def _packer(
    plan: Plan, base: str, accelerator: str, work: Path, progress: Progress
) -> dict[str, object]:
    """Run Packer in `work`; return what the machine says it was made of."""
    variables = {
        "base_image": base,
        "base_checksum": os.environ.get("BASE_CHECKSUM") or "none",
        "accelerator": accelerator,
        "payload": str(work / "payload.tar.gz"),
        "seed_directory": str(work / "seed"),
        "build_key": str(work / "key"),
        "output_directory": str(work / "output"),
    }
    flags = [f"-var={name}={value}" for name, value in variables.items()]
    logged(
        [
            "packer",
            "build",
            "-color=false",
            "-timestamp-ui",
            f"-var-file={plan.var_file}",
            *flags,
            str(PACKER),
        ],
        plan.log,
        cwd=TOP,
        env={"PACKER_CACHE_DIR": str(work / "cache"), "CHECKPOINT_DISABLE": "1"},
        on_line=progress.notes(
            r".*laurel: laurel: (step .*|seal: .*|error: .*)|.*==> qemu.laurel: (Waiting for SSH.*)"
        ),
        watch=lambda: _panic(work),
    )
    release: dict[str, object] = json.loads((work / "output.release.json").read_text())
    return release


def _scrubbed(disk: Path, log: Path, progress: Progress) -> Path:
    """A raw copy of `disk` without what was deleted on it; what could not be scrubbed is noted."""
    raw = disk.with_suffix(".raw")
    logged(["qemu-img", "convert", "-O", "raw", str(disk), str(raw)], log)
    disk.unlink()
    for left in scrub.scrub(raw, log):
        progress.note(f"not scrubbed, what was deleted there can be read: {left}")
    return raw


def _console(work: Path) -> Path:
    """Where the template lets the machine's serial console write."""
    return work / "output.console"


def _panic(work: Path) -> str:
    """What the kernel said last if it has panicked; empty while it lives."""
    if not _console(work).is_file():
        return ""
    found = re.search(rb"Kernel panic - not syncing: [^\r\n]*", _console(work).read_bytes())
    return found[0].decode(errors="replace") if found else ""


def _revision() -> tuple[str, bool]:
    """The git revision of this tree, and whether it has changes; ("", True) without git."""
    try:
        revision = output("git", "rev-parse", "HEAD", cwd=TOP).strip()
        return revision, bool(output("git", "status", "--porcelain", cwd=TOP).strip())
    except (OSError, subprocess.CalledProcessError):
        return "", True


if __name__ == "__main__":
    sys.exit(main())
