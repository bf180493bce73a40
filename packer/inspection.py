"""`make inspect`: what a project is made of, and what cannot work, before anything is built.

Settings come from the environment: see provision/settings.toml.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import payload
import settings
import sources
from laurel.schema import words
from progress import shown
from project import given
from project.examination import Examination, examine
from project.findings import dependencies
from project.findings.dependencies import DependencyError
from project.given import GivenError
from project.source import excluded
from project.source.release_files import ReleaseFiles
from project.source.tree import InspectionError as UnreadableError
from run import attempt
from settings import SettingError
from sources import SourceError

TOP = Path(__file__).resolve().parent.parent
SHOWN = 20  # files that the report names


class InspectionError(Exception):
    """What cannot work, one line for each thing."""


def main() -> int:
    """Print what was found; return the exit code."""
    project = folder()
    try:
        version = python_version(settings.var_file(TOP / "packer" / "os", settings.system()))
        examined = examine(project, os.environ, version)
        print(*examined.report(), sep="\n")
        found = _settings(examined)
        for line in left_out(project, release(project, found)):
            print(line)
        note = refuse_unresolvable(project, found["REQUIREMENTS"], version)
        if note:
            print(f"\n{note}")
        print(f"\nNo problems found: `make image APP={shown(project, TOP)}`")
    except (InspectionError, SettingError, SourceError) as error:
        print(*(f"inspect: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return 1
    return 0


def folder() -> Path:
    """The project to bake."""
    return Path(os.environ.get("APP") or TOP / "app").resolve()


def python_version(var_file: Path) -> str:
    """The Python that the project will run on, as major.minor."""
    try:
        version = given.read(folder(), os.environ).values.get("SITE_PYTHON", "system")
    except GivenError as error:
        raise InspectionError(str(error)) from error
    return settings.of_system(var_file)["python_version"] if version == "system" else version


def inspect(project: Path, version: str) -> dict[str, str]:
    """Every setting of a bake of `project`. Raises InspectionError if it cannot work."""
    return _settings(examine(project, os.environ, version))


def release(project: Path, found: Mapping[str, str]) -> ReleaseFiles:
    """What of `project` goes into the image, with its settings `found`.

    Raises SourceError; InspectionError if a file that the settings name does not.
    """
    chosen = sources.release(project, words(found["INCLUDE"]))
    requirements = project / found["REQUIREMENTS"]
    needed = {project / found["DJANGO_ROOT"] / "manage.py", requirements}
    needed |= {*dependencies.sources(project, requirements)}
    problems = [
        f"{name} does not go into the release, because git does not track it: `git add {name}`"
        for name in sorted(str(path.relative_to(project)) for path in needed - {*chosen.paths})
    ]
    if problems:
        raise InspectionError("\n".join(problems))
    return chosen


def left_out(project: Path, chosen: ReleaseFiles) -> Iterator[str]:
    """Lines about files that are missing in the release, for the report."""
    if chosen.left_out:
        yield "\nLeft out of the release"
        yield from (f"  {name}  (INCLUDE={name})" for name in chosen.left_out[:SHOWN])
        if len(chosen.left_out) > SHOWN:
            yield f"  and {len(chosen.left_out) - SHOWN} more"
    there = {*chosen.paths, *(project / name for name in chosen.left_out)}
    new = [
        path
        for path in sources.untracked(project)
        if there.isdisjoint((path, *path.parents))
        and not any(map(excluded.rule, path.relative_to(project).parts))
    ]
    notes = [f"the target of this link is not in the release: {link}" for link in chosen.dangling]
    if new:
        more = f" and {len(new) - 1} other files" if len(new) > 1 else ""
        notes.append(
            f"git does not track {new[0].relative_to(project)}{more}: `git add` takes"
            f" {'them' if more else 'it'} into the release"
        )
    if notes:
        yield "\nNotes on the release"
        yield from (f"  {note}" for note in notes)


def _settings(examined: Examination) -> dict[str, str]:
    if examined.problems:
        raise InspectionError("\n".join(examined.problems))
    return examined.settings


def requirements_of_lock(file: Path) -> str:
    """What is installed for a lock that uv does not read; "" for other files.

    Raises InspectionError.
    """
    try:
        return dependencies.requirements(file) or ""
    except (DependencyError, UnreadableError) as error:
        raise InspectionError(str(error)) from error


def refuse_unresolvable(project: Path, requirements: str, version: str) -> str:
    """Raise InspectionError if no set of packages meets `requirements` on Python `version`.

    Returns a note about packages that only the bake can check; "" if there are none.
    """
    file = project / requirements
    if file.name == "uv.lock":
        return ""  # it was resolved for every Python that the project names
    with tempfile.TemporaryDirectory() as work:
        converted = requirements_of_lock(file)
        if converted:
            file = Path(work) / "requirements.txt"
            file.write_text(converted)
        resolved = attempt(
            str(payload.UV),
            *("pip", "compile", "--quiet", "--no-header", "--no-annotate"),
            *("--python-version", version, "--output-file", str(Path(work) / "resolved")),
            str(file),
            cwd=file.parent,
        )
    if not resolved.returncode:
        return ""
    # uv builds a package without a wheel to read its metadata, and this host may lack its headers.
    built = re.search(r"Failed to build(?: `([^`]+)`)?", resolved.stderr)
    if not built:
        raise InspectionError(
            f"{requirements} can't be installed for Python {version}:\n{resolved.stderr.strip()}"
        )
    return (
        f"{requirements}: {built[1] or 'a package'} has no wheel for Python {version} and can't be"
        " built here. The bake builds it from source; only the bake shows whether all requirements"
        " can be installed. If it needs headers, name their packages in laurel.env: BUILD_PACKAGES="
    )


if __name__ == "__main__":
    sys.exit(main())
