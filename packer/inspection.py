"""What a project is made of, and what would not work, before anything is baked."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import settings
import sources
from laurel.schema import words
from project import ask as asking
from project import excluded, requirements
from project.examination import Examination
from project.examination import examine as examine_files
from project.release_files import ReleaseFiles
from project.tree import InspectionError as UnreadableError
from run import as_root

TOP = Path(__file__).resolve().parent.parent
SHOWN = 20  # files that the report names


class InspectionError(Exception):
    """What cannot work, one line for each thing."""


def folder() -> Path:
    """The project to bake."""
    return Path(os.environ.get("APP") or TOP / "app").resolve()


def examine(project: Path, var_file: Path) -> Examination:
    """What the project's files say. Raises InspectionError if it cannot work."""
    examined = examine_files(project, os.environ, settings.of_system(var_file)["python_version"])
    refuse(examined)
    return examined


def ask(examined: Examination, files: Iterable[Path], root: Path) -> None:
    """Run the project in the root file system `root`. Raises InspectionError if it cannot work."""
    try:
        asking.ask(examined, files, root, as_root=as_root())
    except UnreadableError as error:
        raise InspectionError(str(error)) from error
    refuse(examined)


def refuse(examined: Examination) -> None:
    """Raise InspectionError if there are errors."""
    if examined.errors:
        raise InspectionError("\n".join(examined.errors))


def release(project: Path, found: Mapping[str, str]) -> ReleaseFiles:
    """What of `project` goes into the image, with its settings `found`.

    Raises SourceError; InspectionError if a file that the settings name does not.
    """
    chosen = sources.release(project, words(found["INCLUDE"]))
    file = project / found["REQUIREMENTS"]
    needed = {project / found["DJANGO_ROOT"] / "manage.py", file}
    needed |= {*requirements.sources(project, file)}
    problems = [
        f"{name} does not go into the release, because git does not track it: `git add {name}`"
        for name in sorted(str(path.relative_to(project)) for path in needed - {*chosen.paths})
    ]
    if problems:
        raise InspectionError("\n".join(problems))
    return chosen


def left_out(project: Path, chosen: ReleaseFiles) -> Iterator[str]:
    """Lines about files that are missing in the release, for the report."""
    for name in chosen.left_out[:SHOWN]:
        yield f"left out of the release: {name} (INCLUDE={name})"
    if len(chosen.left_out) > SHOWN:
        yield f"left out of the release: {len(chosen.left_out) - SHOWN} more"
    there = {*chosen.paths, *(project / name for name in chosen.left_out)}
    new = [
        path
        for path in sources.untracked(project)
        if there.isdisjoint((path, *path.parents))
        and not any(map(excluded.rule, path.relative_to(project).parts))
    ]
    for link in chosen.dangling:
        yield f"the target of this link is not in the release: {link}"
    if new:
        more = f" and {len(new) - 1} other files" if len(new) > 1 else ""
        yield (
            f"git does not track {new[0].relative_to(project)}{more}: `git add` takes"
            f" {'them' if more else 'it'} into the release"
        )
