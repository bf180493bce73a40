"""`make inspect`: reports what a project is made of, and what would not work.

Settings come from the environment: see provision/settings.toml. PROBE=no reads files only; JSON=yes
prints the report for programs. Exit code 0: no errors; 1: errors; 2: it could not be examined.
"""

import json
import os
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import inspection
import prepare
import settings
from inspection import InspectionError
from prepare import BakeError
from progress import Progress, shown
from project.examination import NOT_RUN, Examination, examine
from run import CommandError, RootError
from settings import SettingError
from sources import SourceError

WRAPPER = textwrap.TextWrapper(
    118, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
)
WIDEST = 60  # characters of a table's second column
TOP = Path(__file__).resolve().parent.parent


def main() -> int:
    """Examine the project and print the report; return the exit code."""
    project = inspection.folder()
    try:
        var_file = settings.var_file(TOP / "packer" / "os", settings.system())
    except SettingError as error:
        print(f"inspect: {error}", file=sys.stderr)
        return 2
    examined = examine(project, os.environ, settings.of_system(var_file)["python_version"])
    try:
        if not examined.errors:
            chosen = inspection.release(project, examined.settings)
            examined.warnings += inspection.left_out(project, chosen)
            settings.refuse_development(project)
            if os.environ.get("PROBE") != "no":
                run(examined)
    except (InspectionError, SettingError) as error:
        lines = str(error).splitlines()
        examined.errors += [line for line in lines if line not in examined.errors]
    except (BakeError, RootError, SourceError) as error:
        print(f"inspect: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("inspect: interrupted", file=sys.stderr)
        return 130
    why = "PROBE=no" if os.environ.get("PROBE") == "no" else "see the errors"
    examined.unchecked = [f"{one}: {why}" if one == NOT_RUN else one for one in examined.unchecked]
    if os.environ.get("JSON") == "yes":
        print(as_json(examined))
    else:
        print(*text(examined), sep="\n")
        if not examined.errors and not examined.unchecked:
            print(f"\nNo problems found: `make image APP={shown(project, TOP)}`")
    return 1 if examined.errors else 0


def run(examined: Examination) -> None:
    """Run the project in the system's own root file system, and take in what it answers."""
    progress = Progress(total=3, stream=sys.stderr)
    # The base system stands for the operator's own image, whose files are not at hand.
    plan = replace(prepare.plan(), examined=examined, base_image="", base_checksum="")
    prepare.start_log(plan)
    progress.step("what the image is made from")
    try:
        prepare.run_project(plan, prepare.base_key(plan, progress, ""), progress)
    except CommandError as error:
        log = f"the whole log is {shown(error.log, TOP)}"
        lines = [f"{progress.current}: {error}", *error.tail, log]
        raise InspectionError("\n".join(lines)) from error


def text(examined: Examination) -> Iterator[str]:
    """The lines that `make inspect` prints."""
    found = examined.found.settings.items()
    if found:
        yield "Found"
        yield from _table([(name, value, str(place)) for name, (value, place) in found])
    for name, command in examined.found.processes.items():
        yield f"  process {name}: {command}"
    if examined.overrides:
        yield "\nSettings that Laurel overrides on the machine"
        yield from _table(examined.overrides)
    groups = {
        "Errors": examined.errors,
        "Warnings": examined.warnings,
        "Not checked": examined.unchecked,
    }
    for title, lines in groups.items():
        if lines:
            yield f"\n{title}"
        for line in dict.fromkeys(lines):
            yield from WRAPPER.wrap(line)


def as_json(examined: Examination) -> str:
    """The report for programs."""
    found = examined.found.settings.items()
    settings = {name: {"value": value, "place": str(place)} for name, (value, place) in found}
    groups = ("overrides", "errors", "warnings", "unchecked")
    report = {"settings": settings, **{name: getattr(examined, name) for name in groups}}
    return json.dumps(report, indent=2)


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    first = max(len(row[0]) for row in rows)
    second = min(WIDEST, max(len(row[1]) for row in rows))
    for row in rows:
        yield f"  {row[0]:<{first}}  {row[1]:<{second}}  {row[2]}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
