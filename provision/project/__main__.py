"""The commands that the provisioning scripts run.

    python3 -m project shell FOLDER [SETTINGS_ENV]    every setting, as `export NAME=VALUE` lines
    python3 -m project exports FOLDER                 laurel.env's variables for the project itself
    python3 -m project files FOLDER                   what goes into a release, relative to FOLDER
    python3 -m project sources FOLDER FILE           the files that decide what FILE installs
    python3 -m project pins                          constraints, around a `pip freeze` from stdin
    python3 -m project requirements FILE              a lock as requirements, if uv does not read it

Exit code 1 with the reasons if the project cannot be baked.
"""

import os
import platform
import shlex
import sys
from pathlib import Path

from laurel import schema

from project import given, pins
from project.examination import examine
from project.findings import dependencies
from project.findings.dependencies import DependencyError
from project.source import release_files
from project.source.tree import InspectionError


def main() -> int:
    """Print the answer; return the exit code."""
    match sys.argv[1:]:
        case ["requirements", file]:
            return _requirements(Path(file))
        case ["exports", folder]:
            exports = given.read(Path(folder), os.environ).exports
            # Whatever reads the lines removes these quotes, and keeps the value's own.
            print(*(f"{name}='{value}'\n" for name, value in exports.items()), sep="", end="")
            return 0
        case ["files", folder]:
            return _files(Path(folder))
        case ["sources", folder, file]:
            print(*dependencies.sources(Path(folder), Path(file)), sep="\n")
            return 0
        case ["pins"]:
            print(*pins.constraints(sys.stdin.read(), pins.LOCK.read_text()), sep="\n")
            return 0
        case ["shell", folder, *files]:
            return _shell(Path(folder), [Path(file) for file in files])
    print(__doc__, file=sys.stderr)
    return 2


def _requirements(file: Path) -> int:
    try:
        print(dependencies.requirements(file) or "", end="")
    except (DependencyError, InspectionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _files(folder: Path) -> int:
    """Print the files and their folders, each with a null byte after it.

    The folder was copied here, without what git keeps on the host.
    """
    include = schema.words(os.environ.get("INCLUDE", ""))
    try:
        paths = release_files.choose(folder, include, uploads=True).paths
    except InspectionError as error:
        print(error, file=sys.stderr)
        return 1
    folders = {one for path in paths for one in path.parents if one.is_relative_to(folder)}
    for path in sorted({*paths, *folders}):
        sys.stdout.buffer.write(os.fsencode(path.relative_to(folder)) + b"\0")
    return 0


def _shell(folder: Path, files: list[Path]) -> int:
    python = ".".join(platform.python_version_tuple()[:2])
    examined = examine(folder.resolve(), os.environ, python, *files)
    if examined.problems:
        print(*examined.problems, sep="\n", file=sys.stderr)
        return 1
    for name, value in {**examined.settings, "SETTING_NAMES": " ".join(examined.settings)}.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
