"""Inspects a project whose files a test has changed."""

from pathlib import Path

from project import checks
from project import given as settings
from project.findings.dependencies import DependencyError
from project.inspection import inspect
from project.source.tree import InspectionError


def problems(folder: Path, given: dict[str, str] | None = None, python: str = "3.13") -> list[str]:
    """Why the project is refused."""
    given = given or {}
    try:
        return list(checks.problems(inspect(folder, given), given, python))
    except (InspectionError, DependencyError) as error:
        return [str(error)]


def notes(folder: Path, given: dict[str, str] | None = None) -> list[str]:
    """The notes that `make inspect` prints."""
    project = inspect(folder, given or {})
    return list(checks.notes(project, {**settings.read(folder, {}).exports, **(given or {})}))


def settled(folder: Path, given: dict[str, str] | None = None) -> dict[str, tuple[str, str]]:
    """The settings that are found: name to value and source."""
    found = inspect(folder, given or {}).findings.found
    return {one.name: (one.value, one.source) for one in found}


def add(file: Path, text: str) -> None:
    """Add `text` to the file, which may be new."""
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}\n{text}\n")
