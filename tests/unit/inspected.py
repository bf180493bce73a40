"""What the inspection says of a project whose files a test has changed."""

from pathlib import Path

from project import checks
from project.findings.exports import exports
from project.inspection import inspect


def problems(folder: Path, given: dict[str, str] | None = None) -> list[str]:
    """Why the project is refused, on a machine with Python 3.13."""
    given = given or {}
    return list(checks.problems(inspect(folder, given), given, "3.13"))


def add(file: Path, text: str) -> None:
    """Add `text` to the file, which need not be there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}\n{text}\n")


def notes(folder: Path, given: dict[str, str] | None = None) -> list[str]:
    """What `make inspect` says that one should know."""
    project = inspect(folder, given or {})
    return list(checks.notes(project, {**exports(project.tree), **(given or {})}))
