"""`make image`: bakes the image of one system, unless it is current.

The settings are those of prepare.py.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

import cli
import prepare
import scrub
import sources
from exclusive import exclusive
from images import Images
from prepare import BUILD, PACKER, PROVISION, TOP, Plan
from progress import Progress, clock, shown
from run import CommandError, logged, output
from scrub import ScrubError

# The code that decides what is in the image, beside the template and provision/.
CODE = tuple(
    Path(__file__).with_name(name)
    for name in (
        "disk.sh",
        "images.py",
        "layer.sh",
        "layers.py",
        "payload.py",
        "prepare.py",
        "scrub.py",
    )
)
BOOTS = 3  # attempts, because an emulated kernel sometimes panics


def main() -> int:
    """Bake; return the exit code."""
    progress = Progress(total=6)
    return cli.run(
        "image",
        lambda: run(prepare.plan(), progress),
        progress=progress,
        refusals=(*prepare.REFUSALS, ScrubError),
        shown=lambda path: shown(path, TOP),
    )


def run(plan: Plan, progress: Progress) -> None:
    """Bake in a temporary folder, after any other bake of the same image has ended."""
    work = BUILD / "work"
    lock = work / f"{plan.name}.lock"
    with (
        exclusive(lock, lambda: progress.note("waiting: another command bakes this image")),
        tempfile.TemporaryDirectory(prefix=f"{plan.os}-", dir=work) as folder,
    ):
        bake(plan, Path(folder), progress)


def bake(plan: Plan, work: Path, progress: Progress) -> None:
    """Make the image, unless it is current."""
    images = Images(BUILD / "image")
    prepare.start_log(plan)

    progress.step("what the image is made from")
    prepare.note_left_out(plan, progress)
    former = str(images.description(plan.name).get("base", ""))
    base_key = prepare.base_key(plan, progress, former)
    if images.is_current(plan.name, _key(plan, base_key)):
        image = shown(images.folder / plan.name, TOP)
        progress.note(f"nothing to do: {image} is current")
        return

    base, accelerator = prepare.start(plan, base_key, progress)
    progress.note(f"accelerator: {accelerator}")

    progress.step("the bake")
    prepare.write(plan, work)
    # Computed again: files may have changed while the base disk was built.
    key = _key(plan, base_key)
    variables = prepare.packer_variables(plan, base, accelerator, work)
    # QEMU 7.2's emulation of several CPUs panics in one boot of about twenty.
    for boots_left in reversed(range(BOOTS if accelerator == "tcg" else 1)):
        try:
            release = _packer(plan, variables, work, progress)
            break
        except CommandError:
            if not boots_left or not _panic(work):
                raise
        progress.note("the emulated kernel panicked: trying again")
        _console(work).unlink()

    progress.step("the image, compressed")
    raw = _scrubbed(work / "output" / "disk.qcow2", plan.log, progress)
    published = images.publish(
        raw,
        plan.name,
        lambda: {
            **release,
            "key": key,
            "base": base_key,
            "requirements": plan.layers(plan.base_disk.folder).pins(),
            "seconds": {**progress.durations(), "total": round(progress.elapsed, 1)},
        },
        plan.log,
    )

    progress.step(f"done: {shown(published, TOP)}, {published.stat().st_size >> 20} MiB")
    for step, seconds in progress.durations().items():
        if seconds >= 1:
            print(f"{clock(seconds):>12}  {step}")


def _key(plan: Plan, base_key: str) -> str:
    """The digest of everything that can change the image, and of nothing else."""
    folders = [
        *(PACKER / "base", plan.var_file, *sorted(PACKER.glob("*.pkr.hcl"))),
        *(PROVISION, *CODE),
    ]
    return sources.digest(
        folders,
        plan.os,
        sources.listing(plan.project, plan.files),
        *(f"{name}={value}" for name, value in plan.settings.items()),
        plan.layers(plan.base_disk.folder).lock_text(),
        base_key,
    )


def _packer(
    plan: Plan, variables: dict[str, str], work: Path, progress: Progress
) -> dict[str, object]:
    """Run Packer in `work`; return the machine's description of the release."""
    template = output(str(PACKER / "template.sh"), str(work / "template")).strip()
    logged(
        [
            "packer",
            "build",
            "-color=false",
            "-timestamp-ui",
            f"-var-file={plan.var_file}",
            *(f"-var={name}={value}" for name, value in variables.items()),
            template,
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
    """A raw copy of `disk`, scrubbed; partitions that can't be scrubbed are noted."""
    raw = disk.with_suffix(".raw")
    logged(["qemu-img", "convert", "-O", "raw", str(disk), str(raw)], log)
    disk.unlink()
    for left in scrub.scrub(raw, log):
        progress.note(f"not scrubbed, its deleted files can still be read: {left}")
    return raw


def _console(work: Path) -> Path:
    """The file that gets the output of the machine's serial console."""
    return work / "output.console"


def _panic(work: Path) -> str:
    """The kernel's message if it has panicked; otherwise ""."""
    if not _console(work).is_file():
        return ""
    found = re.search(rb"Kernel panic - not syncing: [^\r\n]*", _console(work).read_bytes())
    return found[0].decode(errors="replace") if found else ""


if __name__ == "__main__":
    sys.exit(main())
