"""`make prepare`: writes what `packer build` needs, and the variables that say where it is.

The settings come from the environment: OS, APP, BASE_IMAGE, BASE_CHECKSUM, and those of
provision/settings.toml.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cli
import inspection
import names
import payload
import settings
import sources
from base_disk import BaseDisk
from inspection import InspectionError
from laurel import env_file
from layers import Layers
from progress import Progress, shown
from project.examination import Examination
from run import output
from settings import SettingError
from sources import SourceError

TOP = Path(__file__).resolve().parent.parent
PACKER = TOP / "packer"
PROVISION = TOP / "provision"
BUILD = TOP / "build"

USER_DATA = """#cloud-config
users:
  - name: laurel-build
    shell: /bin/bash
    lock_passwd: true
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys: ["{key}"]
# The bake needs only these modules of cloud-init.
cloud_init_modules: [write_files, users_groups, ssh]
cloud_config_modules: []
cloud_final_modules: []
# dpkg need not sync each file: the disk of an interrupted bake is thrown away.
write_files:
  - path: /etc/dpkg/dpkg.cfg.d/laurel-build
    content: force-unsafe-io
"""


class BakeError(Exception):
    """What is wrong, where, and what to do."""


REFUSALS = (BakeError, InspectionError, SettingError, SourceError)


@dataclass(frozen=True)
class Plan:
    """What is baked: the system, the project, and the base image if the operator names one.

    `examined` learns more when the project runs; `settings` is what its files alone say.
    """

    os: str
    var_file: Path
    project: Path
    examined: Examination
    settings: Mapping[str, str]
    base_image: str
    base_checksum: str

    @property
    def files(self) -> list[Path]:
        """The project's files that go into the image, as they are now. Raises SourceError."""
        return inspection.release(self.project, self.settings).paths

    @property
    def name(self) -> str:
        """The file name of the image."""
        return names.image_name(self.project, self.os)

    @property
    def log(self) -> Path:
        return BUILD / "logs" / f"bake-{names.prefix(self.project)}{self.os}.log"

    @property
    def base_disk(self) -> BaseDisk:
        return BaseDisk(PACKER / "base", self.var_file, BUILD / "base" / self.os, self.log)

    def layers(self, base: Path) -> Layers:
        """The layers above the base system in the folder `base`."""
        return Layers(
            provision=PROVISION,
            packer=PACKER,
            base=base,
            build=BUILD,
            os=self.os,
            name=self.name.removesuffix(".qcow2"),
            project=self.project,
            settings=self.settings,
            log=self.log,
        )


def main() -> int:
    """Prepare; return the exit code."""
    progress = Progress(total=5)
    return cli.run(
        "prepare",
        lambda: prepare(plan(), progress),
        progress=progress,
        refusals=REFUSALS,
        shown=lambda path: shown(path, TOP),
        kept="run it again before `packer build`",
    )


def prepare(plan: Plan, progress: Progress) -> None:
    """Write build/prepared, and the variables of `packer build` into packer/."""
    folder = BUILD / "prepared"
    variables = PACKER / "laurel.auto.pkrvars.hcl"
    start_log(plan)

    progress.step("what the image is made from")
    variables.unlink(missing_ok=True)
    note_left_out(plan, progress)
    key = base_key(plan, progress, "")

    base, accelerator = start(plan, key, progress)

    progress.step("the payload and the key of the build user")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write(plan, folder)
    values = packer_variables(plan, base, accelerator, folder)
    values["output_directory"] = str(BUILD / "packer-output")
    lines = [f"{name} = {_hcl(value)}\n" for name, value in values.items()]
    variables.write_text("".join(lines))

    template = output(str(PACKER / "template.sh"), str(BUILD / "packer-1.6")).strip()
    progress.step("done; now run, in this folder:")
    print(f"packer build -force -var-file={shown(plan.var_file, TOP)} {shown(Path(template), TOP)}")


def plan() -> Plan:
    """The plan that the environment describes. Raises SettingError and InspectionError."""
    system = settings.system()
    var_file = settings.var_file(PACKER / "os", system)
    project = inspection.folder()
    examined = inspection.examine(project, var_file)
    settings.refuse_development(project)
    base_image, base_checksum = settings.base_image()
    return Plan(
        os=system,
        var_file=var_file,
        project=project,
        examined=examined,
        settings=examined.settings,
        base_image=base_image,
        base_checksum=base_checksum,
    )


def note_left_out(plan: Plan, progress: Progress) -> None:
    """Say how many files the image lacks; raise what `inspection.release` does."""
    count = len(inspection.release(plan.project, plan.settings).left_out)
    if count:
        progress.note(f"left out of the release: {count} secrets or data: see `make inspect`")


def start_log(plan: Plan) -> None:
    """Begin an empty log."""
    plan.log.parent.mkdir(parents=True, exist_ok=True)
    plan.log.unlink(missing_ok=True)


def base_key(plan: Plan, progress: Progress, former: str) -> str:
    """What the base disk is made from; it changes when the archive's packages do.

    `former` is the key of the former image, which serves while the archive does not answer.
    """
    if plan.base_image:
        path = Path(plan.base_image)
        return sources.file_digest(path) if path.is_file() else plan.base_image + plan.base_checksum
    index = plan.base_disk.index()
    if index:
        return index
    if not former:
        raise BakeError(
            f"the archive of {plan.os} does not answer, and no image was baked before;"
            f" the reason is in {shown(plan.log, TOP)}"
        )
    progress.note("the archive does not answer: using the packages of the former image")
    return former


def start(plan: Plan, key: str, progress: Progress) -> tuple[str, str]:
    """The disk to start from, and the accelerator that runs it.

    Makes the missing layers, and runs the project in the last one. Raises InspectionError for what
    would not work.
    """
    accelerator = str(PACKER / "accelerator.sh")
    if plan.base_image:
        if plan.base_image.lower().startswith("https://") and not plan.base_checksum:
            progress.note("warning: BASE_IMAGE is downloaded without a BASE_CHECKSUM=sha256:...")
        progress.step(f"the base image, {plan.base_image}")
        progress.step("the project runs later, on the build machine")
        return plan.base_image, output(accelerator).strip()
    base, layer = run_project(plan, key, progress)
    for line in dict.fromkeys(plan.examined.warnings):
        progress.note(f"warning: {line}")
    disk = plan.layers(base).disk(layer, progress)
    return str(disk), output(accelerator, str(base / "vmlinuz")).strip()


def run_project(plan: Plan, key: str, progress: Progress) -> tuple[Path, Path]:
    """Make the missing layers, and run the project; return the base's folder and the last layer's.

    Raises InspectionError for what would not work.
    """
    progress.step(f"the base system, {plan.os}")
    base = plan.base_disk.build(key, progress)
    progress.step("the project in its virtual environment")
    layers = plan.layers(base)
    layer = layers.environment(lambda target: _pack(plan, target, "", layers.lock_text()), progress)
    inspection.ask(plan.examined, plan.files, layer / "root")
    return base, layer


def write(plan: Plan, folder: Path) -> None:
    """Write the payload, the build user's key, and the seed that creates this user."""
    found = "" if plan.base_image else env_file.text(plan.examined.answers)
    _pack(plan, folder / "payload.tar.gz", found, "")
    key = folder / "key"
    output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laurel-build", "-f", str(key))
    seed = folder / "seed"
    seed.mkdir()
    public = key.with_suffix(".pub").read_text().strip()
    (seed / "user-data").write_text(USER_DATA.format(key=public))
    (seed / "meta-data").write_text("instance-id: bake\nlocal-hostname: bake\n")
    (seed / "vendor-data").write_text("")


def _pack(plan: Plan, target: Path, found: str, lock: str) -> None:
    """Write the payload."""
    revision, dirty = _revision()
    files = plan.files
    project_revision, project_dirty = sources.revision(plan.project, files)
    payload.write(
        target,
        provision=PROVISION,
        project=plan.project,
        files=files,
        settings=settings.given(),
        found=found,
        lock=lock,
        revision=revision,
        dirty=dirty,
        project_revision=project_revision,
        project_dirty=project_dirty,
        uv=payload.UV,
    )


def packer_variables(plan: Plan, base: str, accelerator: str, folder: Path) -> dict[str, str]:
    """The template's variables for what `write` wrote into `folder`."""
    return {
        "base_image": base,
        "base_checksum": plan.base_checksum or "none",
        "accelerator": accelerator,
        "payload": str(folder / "payload.tar.gz"),
        "seed_directory": str(folder / "seed"),
        "build_key": str(folder / "key"),
        "output_directory": str(folder / "output"),
    }


def _hcl(value: str) -> str:
    """A string of HCL, in which ${ and %{ begin an expression."""
    quoted = json.dumps(value, ensure_ascii=False)
    return quoted.replace("${", "$${").replace("%{", "%%{")


def _revision() -> tuple[str, bool]:
    """The git revision of Laurel, and whether its tree has changes; ("", True) without git."""
    try:
        revision = output("git", "rev-parse", "HEAD", cwd=TOP).strip()
        return revision, bool(output("git", "status", "--porcelain", cwd=TOP).strip())
    except (OSError, subprocess.CalledProcessError):
        return "", True


if __name__ == "__main__":
    sys.exit(main())
