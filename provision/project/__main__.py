"""The commands that the provisioning scripts run.

    python3 -m project shell FOLDER [SETTINGS_ENV]    every setting, as `export NAME=VALUE` lines
    python3 -m project ask FOLDER [SETTINGS_ENV]      run the project, write what it says to FOUND
    python3 -m project exports FOLDER                 laurel.env's variables for the project itself
    python3 -m project files FOLDER                   what goes into a release, relative to FOLDER
    python3 -m project sources FOLDER FILE           the files that decide what FILE installs
    python3 -m project pins                          constraints, around a `pip freeze` from stdin
    python3 -m project requirements FILE              a lock as requirements, if uv does not read it

FOUND, if set, is a file of settings that `ask` found earlier. Exit code 1 with the reasons if the
project cannot be baked.
"""

import os
import platform
import shlex
import sys
from pathlib import Path

from laurel import env_file, schema

from project import ask, given, pins, release_files, requirements
from project.examination import Examination, examine
from project.tree import InspectionError

PATIENCE = 5  # this machine may be an emulated one


def main() -> int:
    """Print the answer; return the exit code."""
    try:
        return _answer(sys.argv[1:])
    except InspectionError as error:
        print(error, file=sys.stderr)
        return 1


def _answer(arguments: list[str]) -> int:
    match arguments:
        case ["requirements", file]:
            print(requirements.requirements(Path(file)) or "", end="")
        case ["exports", folder]:
            exports = given.read(Path(folder), os.environ).exports
            # Whatever reads the lines removes these quotes, and keeps the value's own.
            print(*(f"{name}='{value}'\n" for name, value in exports.items()), sep="", end="")
        case ["files", folder]:
            _print_files(Path(folder))
        case ["sources", folder, file]:
            print(*requirements.sources(Path(folder), Path(file)), sep="\n")
        case ["pins"]:
            print(*pins.constraints(sys.stdin.read(), pins.LOCK.read_text()), sep="\n")
        case ["shell", folder, *files]:
            _print_settings(_examined(Path(folder), files))
        case ["ask", folder, *files]:
            _ask(_examined(Path(folder), files))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _files(folder: Path, include: str) -> list[Path]:
    """The files of the release; the folder was copied here, without what git keeps on the host."""
    return release_files.choose(folder, schema.words(include), uploads=True).paths


def _print_files(folder: Path) -> None:
    """Print the files and their folders, each with a null byte after it."""
    paths = _files(folder, os.environ.get("INCLUDE", ""))
    folders = {one for path in paths for one in path.parents if one.is_relative_to(folder)}
    for path in sorted({*paths, *folders}):
        sys.stdout.buffer.write(os.fsencode(path.relative_to(folder)) + b"\0")


def _examined(folder: Path, files: list[str]) -> Examination:
    python = ".".join(platform.python_version_tuple()[:2])
    examined = examine(folder.resolve(), os.environ, python, *map(Path, files))
    _refuse(examined)
    return examined


def _refuse(examined: Examination) -> None:
    if examined.errors:
        raise InspectionError("\n".join(examined.errors))


def _print_settings(examined: Examination) -> None:
    earlier = Path(os.environ.get("FOUND", ""))
    if earlier.is_file():
        for name, value in env_file.read(earlier).values.items():
            examined.found.settle(name, value, str(earlier))
    settings = examined.settings
    for name, value in {**settings, "SETTING_NAMES": " ".join(settings)}.items():
        print(f"export {name}={shlex.quote(value)}")


def _ask(examined: Examination) -> None:
    files = _files(examined.found.tree.root, examined.settings["INCLUDE"])
    ask.ask(examined, files, Path("/"), patience=PATIENCE)
    print(*(f"warning: {one}\n" for one in examined.warnings), sep="", end="", file=sys.stderr)
    _refuse(examined)
    found = Path(os.environ["FOUND"])
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_text(env_file.text(examined.answers))


if __name__ == "__main__":
    sys.exit(main())
