"""`make inspect`: what a project is made of and what about it can't work, before anything is built.

Settings come from the environment: OS, APP, and those of provision/settings.sh.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import payload
import settings
from progress import shown
from run import attempt
from settings import SettingError

TOP = Path(__file__).resolve().parent.parent
PROVISION = TOP / "provision"


class InspectionError(Exception):
    """What can't work, a line for each thing."""


def main() -> int:
    """Print what was found; return the exit code."""
    project = folder()
    try:
        version = python_version(settings.var_file(TOP / "packer" / "os", settings.system()))
        asked = _ask(project, "report", version)
        print(asked.stdout, end="")
        if asked.returncode:
            raise InspectionError(asked.stderr.strip())
        note = refuse_unresolvable(project, inspect(project, version)["REQUIREMENTS"], version)
        if note:
            print(f"\n{note}")
        print(f"\nNothing stands against a bake: `make image APP={shown(project, TOP)}`")
    except (InspectionError, SettingError) as error:
        print(*(f"inspect: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return 1
    return 0


def folder() -> Path:
    """The project to bake."""
    return Path(os.environ.get("APP") or TOP / "app").resolve()


def python_version(var_file: Path) -> str:
    """The Python that the project will run on, as major.minor."""
    version, _ = settings.chosen("SITE_PYTHON", folder())
    return settings.of_system(var_file)["python_version"] if version in ("", "system") else version


def inspect(project: Path, version: str) -> dict[str, str]:
    """What provisioning will find in `project`. Raises InspectionError if it can't work."""
    asked = _ask(project, "settings", version)
    if asked.returncode:
        raise InspectionError(asked.stderr.strip())
    return dict(line.split("=", 1) for line in asked.stdout.splitlines())


def refuse_unresolvable(project: Path, requirements: str, version: str) -> str:
    """Raise InspectionError if no set of packages meets `requirements` on Python `version`.

    Returns what only the bake can tell of them; "" if nothing.
    """
    file = project / requirements
    if file.name == "uv.lock":
        return ""  # it was resolved for every Python that the project names
    with tempfile.TemporaryDirectory() as work:
        converted = attempt("python3", "-m", "project", "requirements", str(file), cwd=PROVISION)
        if converted.returncode:
            raise InspectionError(converted.stderr.strip())
        if converted.stdout:
            file = Path(work) / "requirements.txt"
            file.write_text(converted.stdout)
        resolved = attempt(
            str(payload.UV),
            *("pip", "compile", "--quiet", "--no-header", "--no-annotate"),
            *("--python-version", version, "--output-file", str(Path(work) / "resolved")),
            str(file),
            cwd=file.parent,
        )
    if not resolved.returncode:
        return ""
    # What is built from source may need headers for so much as its name; the machine has them.
    built = re.search(r"Failed to build(?: `([^`]+)`)?", resolved.stderr)
    if not built:
        raise InspectionError(
            f"{requirements} can't be installed for Python {version}:\n{resolved.stderr.strip()}"
        )
    return (
        f"{requirements}: {built[1] or 'a package'} has no wheel for Python {version} and can't be"
        " built here: what has none is built from source during the bake, which alone tells whether"
        " all of them can be installed (headers that one needs: BUILD_PACKAGES in laurel.env)"
    )


def _ask(project: Path, what: str, version: str) -> subprocess.CompletedProcess[str]:
    return attempt(
        str(PROVISION / "inspect.sh"), what, "--python", version, env={"PROJECT": str(project)}
    )


if __name__ == "__main__":
    sys.exit(main())
