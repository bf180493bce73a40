"""What a project needs from the package index: the file that says it, and its packages."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project.findings.versions import allows
from project.source.tree import InspectionError, Place, Tree

# Where requirements stand when no lock file says them; what names production comes first.
_REQUIREMENTS = (
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements-production.txt",
    "requirements-prod.txt",
    "requirements_production.txt",
    "requirements_prod.txt",
    "requirements.txt",
    "requirements/requirements.txt",
    "requirements/base.txt",
    "requirements/common.txt",
)
# What a file of requirements is called that is not a site's.
_OF_DEVELOPMENT = {
    "dev",
    "develop",
    "development",
    "local",
    "test",
    "tests",
    "testing",
    "ci",
    "docs",
}
_CHANNELS = re.compile(r"\s*channels\s*(\[[^\]]*\]\s*)?([=<>~!@;#(\\]|$)", re.IGNORECASE)
LOCKS = ("uv.lock", "poetry.lock", "Pipfile.lock")


class DependencyError(Exception):
    """What is wrong, where, and what to do."""


@dataclass(frozen=True)
class Package:
    """One requirement: its normalised name, its specifiers (such as "==4.2.1"), its place."""

    name: str
    specifiers: str
    place: Place


def find(tree: Tree, django_root: Path) -> Path:
    """The file that says what to install, a lock file rather than another.

    The folders from that of manage.py up to the root are searched. Raises DependencyError.
    """
    folders = [django_root, *(up for up in django_root.parents if up.is_relative_to(tree.root))]
    found = (
        _first(folders, LOCKS)
        or _first(folders, _REQUIREMENTS)
        or _of_metadata(tree, folders)
        or _with_channels(tree, folders)
    )
    if not found:
        raise DependencyError(_nothing(tree))
    return found


def _first(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    files = (folder / name for folder in folders for name in names)
    return next((file for file in files if file.is_file()), None)


def _of_metadata(tree: Tree, folders: Iterable[Path]) -> Path | None:
    """A pyproject.toml with dependencies, or the file that it takes them from.

    Raises DependencyError for Poetry's and Pipenv's, which install from a lock file.
    """
    for folder in folders:
        project, pipfile = folder / "pyproject.toml", folder / "Pipfile"
        parsed = _toml(tree, project) if project.is_file() else {}
        if parsed.get("project", {}).get("dependencies"):
            return project
        taken = _of_setuptools(tree, project, parsed)
        if taken:
            return taken
        if "poetry" in parsed.get("tool", {}):
            raise _without_lock(tree, project, "poetry lock")
        if pipfile.is_file() and "packages" in _toml(tree, pipfile):
            raise _without_lock(tree, pipfile, "pipenv lock")
    return None


def _without_lock(tree: Tree, file: Path, command: str) -> DependencyError:
    return DependencyError(
        f"{tree.relative(file)} has no lock file beside it: run `{command}` there and commit what"
        " it writes"
    )


def _of_setuptools(tree: Tree, file: Path, parsed: Mapping[str, Any]) -> Path | None:
    """The file that setuptools takes the dependencies of the pyproject.toml `file` from."""
    if "dependencies" not in parsed.get("project", {}).get("dynamic", []):
        return None
    dynamic = parsed.get("tool", {}).get("setuptools", {}).get("dynamic", {})
    named = dynamic.get("dependencies", {}).get("file", [])
    names = [named] if isinstance(named, str) else named
    place = Place(tree.relative(file), _line(tree, file, "[tool.setuptools.dynamic"))
    if len(names) > 1:
        raise DependencyError(
            f"{place} takes the dependencies from {' and '.join(names)}: make one file that"
            " includes the others by lines `-r file`, and add REQUIREMENTS=file to laurel.env"
        )
    if names and not (file.parent / names[0]).is_file():
        raise DependencyError(f"{place} takes the dependencies from {names[0]}, which is not there")
    return file.parent / names[0] if names else None


def _with_channels(tree: Tree, folders: Iterable[Path]) -> Path | None:
    """The file of a folder requirements/ that names channels, where there is one such file."""
    for folder in folders:
        found = [
            file
            for file in sorted((folder / "requirements").glob("*.txt"))
            if not _OF_DEVELOPMENT & set(re.split(r"[-_.]", file.stem.lower()))
            and _names_channels(tree, file)
        ]
        if len(found) == 1:
            return found[0]
    return None


def _names_channels(tree: Tree, file: Path) -> bool:
    """Whether `file`, or one that it includes, has a requirement of channels."""
    try:
        lines = list(_lines(tree, file, frozenset()))
    except InspectionError:
        return False  # any text may be called so
    return any(_CHANNELS.match(line) for _, _, line in lines)


def _nothing(tree: Tree) -> str:
    named = [
        tree.relative(file).as_posix()
        for folder in tree.folders()
        for file in sorted(folder.glob("*.txt"))
        if _names_channels(tree, file)
    ]
    told = (
        f"channels is in {', '.join(named)}: add the file of production to laurel.env, such as"
        f" REQUIREMENTS={named[0]}"
        if named
        else "add requirements.txt, or REQUIREMENTS=file to laurel.env"
    )
    return (
        "nothing says what to install: no "
        + ", ".join((*LOCKS, "requirements*.txt"))
        + f" and no pyproject.toml with dependencies; {told}"
    )


def packages(tree: Tree, file: Path) -> dict[str, Package]:
    """What `file` names, by normalised name. Raises DependencyError if it can't be read."""
    found: dict[str, Package] = {}
    for package in _read(tree, file):
        found.setdefault(package.name, package)
    return found


def requirements(file: Path) -> str | None:
    """A Pipfile.lock or poetry.lock as the lines that pip and uv install; None for other files.

    The packages of development are left out. Raises DependencyError for what has no such line.
    """
    tree = Tree(file.parent)
    if file.name == "Pipfile.lock":
        return "".join(f"{line}\n" for line in _pipenv_lines(tree, file))
    if file.name == "poetry.lock":
        return "".join(f"{line}\n" for line in _poetry_lines(tree, file))
    return None


def python(tree: Tree, file: Path) -> tuple[str, Place] | None:
    """Which versions of Python the project says it runs on, and where it says so."""
    beside = file.parent
    if file.name == "uv.lock" or not (beside / "Pipfile").is_file():
        project = beside / "pyproject.toml"
        if project.is_file():
            parsed = _toml(tree, project)
            wanted = parsed.get("project", {}).get("requires-python") or parsed.get("tool", {}).get(
                "poetry", {}
            ).get("dependencies", {}).get("python")
            if isinstance(wanted, str):
                key = "requires-python" if "project" in parsed else "python"
                return wanted, Place(tree.relative(project), _line(tree, project, key))
        return None
    wanted = _toml(tree, beside / "Pipfile").get("requires", {}).get("python_version")
    if not wanted:
        return None
    return f"=={wanted}", Place(
        tree.relative(beside / "Pipfile"), _line(tree, beside / "Pipfile", "python")
    )


def normal(name: str) -> str:
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(tree: Tree, file: Path) -> Iterator[Package]:
    if file.name == "Pipfile.lock":
        for name, entry in _pipfile_lock(tree, file).items():
            yield Package(normal(name), entry.get("version", ""), Place(tree.relative(file)))
    elif file.name in ("uv.lock", "poetry.lock"):
        for entry in _toml(tree, file).get("package", []):
            if "virtual" in entry.get("source", {}) or "editable" in entry.get("source", {}):
                continue  # the project itself
            version = f"=={entry['version']}" if "version" in entry else ""
            line = _line(tree, file, f'name = "{entry["name"]}"')
            yield Package(normal(entry["name"]), version, Place(tree.relative(file), line))
    elif file.name == "pyproject.toml":
        for text in _toml(tree, file)["project"].get("dependencies", []):
            yield from _package(text, Place(tree.relative(file), _line(tree, file, text)))
    else:
        for path, number, text in _lines(tree, file, frozenset()):
            yield from _package(text, Place(tree.relative(path), number))


def _package(text: str, place: Place) -> Iterator[Package]:
    """The requirement in `text`, if it is one: `name[extra]==1.2 ; marker`."""
    found = re.match(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;#@)]*)", text.strip())
    if found:
        yield Package(normal(found[1]), found[2].partition(" --")[0].strip(" \\"), place)


def _lines(tree: Tree, file: Path, seen: frozenset[Path]) -> Iterator[tuple[Path, int, str]]:
    """The lines of a requirements file and of those that it includes."""
    if file in seen or not file.is_file():
        return
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        included = re.match(r"\s*(?:-r|--requirement)[ =]?\s*(\S+)", line)
        if included:
            if not (file.parent / included[1]).resolve().is_relative_to(tree.root):
                raise DependencyError(
                    f"{Place(tree.relative(file), number)} includes {included[1]}, which is outside"
                    f" of {tree.root}: name the folder that holds both"
                )
            yield from _lines(tree, (file.parent / included[1]).resolve(), seen | {file})
        elif line.strip() and not line.lstrip().startswith("#"):
            yield file, number, line


def _pipenv_lines(tree: Tree, file: Path) -> Iterator[str]:
    for name, entry in _pipfile_lock(tree, file).items():
        if "version" not in entry:
            raise DependencyError(
                f"{file.name}: {name} has no version from an index ({', '.join(entry)}):"
                " name a requirements file in laurel.env: REQUIREMENTS=file"
            )
        extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
        yield _locked(f"{name}{extras}", entry["version"], entry.get("markers"), entry["hashes"])


def _poetry_lines(tree: Tree, file: Path) -> Iterator[str]:
    lock = _toml(tree, file)
    entries = {normal(entry["name"]): entry for entry in lock.get("package", [])}
    for name in sorted(_of_production(tree, file, entries)):
        entry = entries[name]
        if "source" in entry and entry["source"].get("type") not in (None, "legacy"):
            raise DependencyError(
                f"{file.name}: {name} comes from {entry['source'].get('type')}, not from an index:"
                " name a requirements file in laurel.env: REQUIREMENTS=file"
            )
        files = entry.get("files") or lock.get("metadata", {}).get("files", {}).get(name, [])
        markers = entry.get("markers")
        if isinstance(markers, dict):  # one for each group
            markers = markers.get("main")
        yield _locked(name, f"=={entry['version']}", markers, [each["hash"] for each in files])


def _of_production(tree: Tree, file: Path, entries: dict[str, Any]) -> set[str]:
    """The packages that the main group needs, directly or not."""
    if all("groups" in entry for entry in entries.values()):  # since Poetry 2
        return {
            name
            for name, entry in entries.items()
            if "main" in entry["groups"] and not entry.get("optional")
        }
    project = _toml(tree, file.parent / "pyproject.toml")
    poetry = project.get("tool", {}).get("poetry", {}).get("dependencies", {})
    waiting = [
        *(name for name in poetry if name != "python"),
        *(
            package.name
            for text in project.get("project", {}).get("dependencies", [])
            for package in _package(text, Place(Path("pyproject.toml")))
        ),
    ]
    found: set[str] = set()
    while waiting:
        name = normal(waiting.pop())
        if name in entries and name not in found:
            found.add(name)
            waiting += entries[name].get("dependencies", {})
    return found


def _locked(name: str, version: str, markers: str | None, hashes: Iterable[str]) -> str:
    marker = f" ; {markers}" if markers else ""
    return " \\\n    ".join([f"{name}{version}{marker}", *(f"--hash={one}" for one in hashes)])


def _pipfile_lock(tree: Tree, file: Path) -> dict[str, Any]:
    """What a Pipfile.lock locks for production: name to entry."""
    try:
        default: dict[str, Any] = json.loads(tree.text(file))["default"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DependencyError(
            f"{tree.relative(file)} is no lock file of Pipenv's ({error}): run `pipenv lock` there"
        ) from None
    return default


def _toml(tree: Tree, file: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:
        raise DependencyError(
            f"{file.name} needs Python 3.11 to be read, and this one is older: name a requirements"
            " file in laurel.env: REQUIREMENTS=file"
        ) from None
    try:
        return tomllib.loads(tree.text(file))
    except tomllib.TOMLDecodeError as error:
        raise DependencyError(f"{file.name} is not TOML: {error}") from None


def _line(tree: Tree, file: Path, text: str) -> int:
    """The first line of `file` that has `text`; 0 if none."""
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        if text in line:
            return number
    return 0


def runs_on(wanted: str, version: str) -> bool:
    """Whether a project that wants `wanted` (">=3.10", "^3.11") runs on Python `version`."""
    return any(allows(part, version) for part in wanted.split("||"))
