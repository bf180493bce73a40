"""`make export`: converts the proved image into the formats that clouds take.

`python -m export IMAGE`; the formats are FORMATS, from the environment; all if it is empty.
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

from export import IMAGE, chosen, key, named
from export.format import MIB, ExportError, Format, Source, compare

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"


def main(arguments: list[str]) -> int:
    """Export; return the exit code."""
    names = os.environ.get("FORMATS", "").split()
    progress = Progress(total=len(named(names)) + 2)
    return cli.run(
        "export",
        lambda: export(Path(arguments[0]), names, progress),
        progress=progress,
        refusals=(BoxError, ExportError, OSError),  # a full disk is an OSError
        shown=lambda path: shown(path, TOP),
        kept="exports that were finished before are whole",
    )


def export(image: Path, names: list[str], progress: Progress) -> None:
    """Convert `image` into each format of `names` that is not current."""
    formats = chosen(names)
    if not image.is_file():
        raise ExportError(f"no image at {image}: run `make image` first, or set IMAGE")
    finished = Finished(BUILD / "export")

    progress.step(f"what is exported: {image}")
    if IMAGE in names:
        progress.note(f"{IMAGE}: that is the image itself, for OpenStack and DigitalOcean")
    digest = sources.file_digest(image)
    made_from = key(digest)
    stale = [
        kind
        for kind in formats
        if not finished.is_current(kind.file(finished.folder, image).name, made_from)
    ]
    if not stale:
        progress.note("nothing to do: each export is current")
        return

    log = BUILD / "logs" / f"export-{image.stem}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    with finished.work() as work:
        source = Source(image, digest, work, log)
        for kind in formats:
            progress.step(kind.title)
            if kind not in stale:
                progress.note("current")
                continue
            fresh = _make(kind, source)
            seconds = progress.durations()[kind.title]
            description = {"key": made_from, "image": digest, "seconds": seconds}
            finished.put({fresh.name: fresh}, description)
            file = finished.folder / fresh.name
            progress.note(f"{shown(file, TOP)}, {file.stat().st_size // MIB} MiB")

    progress.step(f"done: {shown(finished.folder, TOP)}")
    for step, taken in progress.durations().items():
        if taken >= 1:
            print(f"{clock(taken):>12}  {step}")


def _make(kind: Format, source: Source) -> Path:
    """Make and check the file of a format. Raises CommandError or ExportError."""
    file = kind.file(source.folder("checked"), source.image)
    kind.make(source, file)
    unpacked = source.folder("unpacked")
    compare(kind.unpack(file, unpacked), kind.content(source))
    shutil.rmtree(unpacked)
    if sources.file_digest(source.image) != source.digest:
        raise ExportError(f"{source.image} was replaced during the export: export it again")
    return file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
