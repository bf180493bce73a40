"""`make export`: the proved image in the form that each cloud demands, unless it is there already.

`python -m export IMAGE`; FORMATS comes from the environment, all of them if it is empty.
"""

import os
import shutil
import sys
from pathlib import Path

import cli
import sources
from finished import Finished
from progress import Progress, clock, shown
from vagrant_box import BoxError

from export import IMAGE, chosen, named
from export.format import MIB, ExportError, Format, Source, compare

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"


def main(arguments: list[str]) -> int:
    """Export; return the exit code."""
    names = os.environ.get("FORMATS", "").split()
    progress = Progress(total=len(named(names)) + 2)
    return cli.run(
        "export",
        lambda: export(Path(*arguments), names, progress),
        progress=progress,
        refusals=(BoxError, ExportError, OSError),  # a full disk is an OSError
        shown=lambda path: shown(path, TOP),
        kept="what was finished before is whole",
    )


def export(image: Path, names: list[str], progress: Progress) -> None:
    """From the image to each of the formats that `names` say."""
    formats = chosen(names)
    if not image.is_file():
        raise ExportError(f"no image at {image}: run `make image` first, or name one by IMAGE")
    finished = Finished(BUILD / "export")

    progress.step(f"what is exported: {image}")
    if IMAGE in names:
        progress.note(f"{IMAGE}: that is the image itself, for OpenStack and DigitalOcean")
    digest = sources.file_digest(image)
    keys = {kind: kind.key(digest) for kind in formats}
    stale = [
        kind
        for kind in formats
        if not finished.is_current(kind.file(finished.folder, image).name, keys[kind])
    ]
    if not stale:
        progress.note("nothing to do: all that is asked for is made from just this")
        return

    log = BUILD / "logs" / f"export-{image.stem}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    finished.folder.mkdir(parents=True, exist_ok=True)
    work = finished.folder / f".{image.stem}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        source = Source(image, digest, work, log)
        for kind in formats:
            progress.step(kind.title)
            if kind not in stale:
                progress.note("made from just this")
                continue
            fresh = made(kind, source)
            seconds = progress.durations()[kind.title]
            description = {"key": keys[kind], "image": digest, "seconds": seconds}
            name = kind.file(finished.folder, image).name
            file = finished.put(fresh, name, description)
            progress.note(f"{shown(file, TOP)}, {_size(file)}")
    finally:
        shutil.rmtree(work, ignore_errors=True)

    progress.step(f"done: {shown(finished.folder, TOP)}")
    for step, taken in progress.durations().items():
        if taken >= 1:
            print(f"{clock(taken):>12}  {step}")


def made(kind: Format, source: Source) -> Path:
    """The file of a format in the work folder: it is what its cloud demands, and holds the image.

    Raises CommandError or ExportError.
    """
    file = kind.file(source.work, source.image)
    kind.make(source, file)
    kind.check(file)
    unpacked = source.folder("unpacked")
    compare(kind.disk_of(file, unpacked), kind.content(source))
    shutil.rmtree(unpacked)
    if sources.file_digest(source.image) != source.digest:
        raise ExportError(f"{source.image} has become another image meanwhile: export once more")
    return file


def _size(file: Path) -> str:
    """How large a file is, and how much of the disk it takes where that is less."""
    status = file.stat()
    taken = status.st_blocks * 512
    holes = f", {taken // MIB} MiB of it no holes" if taken < 0.9 * status.st_size else ""
    return f"{status.st_size // MIB} MiB{holes}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
