"""The packages that a project needs, and the file that names them."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from project.tree import InspectionError, Place, Tree

LOCKS = ("uv.lock", "poetry.lock", "Pipfile.lock")
# Used if there is no lock file; production first.
_REQUIREMENTS = (
    *(f"requirements{between}{word}.txt" for between in "/-_" for word in ("production", "prod")),
    "requirements.txt",
    *(f"requirements/{word}.txt" for word in ("requirements", "base", "common")),
)
_CHANNELS = re.compile(r"^channels\b", re.MULTILINE | re.IGNORECASE)
_PATCHES = 100  # more than any minor release of Python has
# A line of a requirements file that includes another file, or installs a folder of the project.
_INCLUDES = re.compile(
    r"\s*(?:(?:-r|-c|-e|--requirement|--constraint|--editable)[ =]?\s*|(?=\.))([^\s\[]+)"
)
# Words in the name of a requirements file that is not for production.
_OF_DEVELOPMENT = {
    *("dev", "develop", "development", "local", "test", "tests", "testing", "ci", "docs")
}


def find(tree: Tree, django_root: Path) -> Path:
    """The file that names the packages to install; a lock file first.

    Searches the folders from that of manage.py up to the root. Raises InspectionError.
    """
    folders = [django_root, *(up for up in django_root.parents if up.is_relative_to(tree.root))]
    found = _first(folders, LOCKS) or _first(folders, _REQUIREMENTS) or _of_metadata(tree, folders)
    return found or _with_channels(tree)


def _first(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    files = (folder / name for folder in folders for name in names)
    return next((file for file in files if file.is_file()), None)


def _of_metadata(tree: Tree, folders: Iterable[Path]) -> Path | None:
    """A pyproject.toml with dependencies, or the file that it reads them from.

    Raises InspectionError for Poetry and Pipenv without a lock file.
    """
    for folder in folders:
        project, pipfile = folder / "pyproject.toml", folder / "Pipfile"
        parsed = _toml(tree, project) if project.is_file() else {}
        if parsed.get("project", {}).get("dependencies"):
            return project
        dynamic = _of_setuptools(tree, project, parsed)
        if dynamic:
            return dynamic
        if "poetry" in parsed.get("tool", {}):
            raise _without_lock(tree, project, "poetry lock")
        if pipfile.is_file() and "packages" in _toml(tree, pipfile):
            raise _without_lock(tree, pipfile, "pipenv lock")
    return None


def _without_lock(tree: Tree, file: Path, command: str) -> InspectionError:
    lacks = f"{tree.relative(file)} has no lock file beside it"
    return InspectionError(f"{lacks}: run `{command}` there and commit the file that it writes")


def _of_setuptools(tree: Tree, file: Path, parsed: Mapping[str, Any]) -> Path | None:
    """The file from which setuptools reads the dependencies of the pyproject.toml `file`."""
    if "dependencies" not in parsed.get("project", {}).get("dynamic", []):
        return None
    dynamic = parsed.get("tool", {}).get("setuptools", {}).get("dynamic", {})
    named = dynamic.get("dependencies", {}).get("file", [])
    names = [named] if isinstance(named, str) else named
    place = Place(tree.relative(file), _line(tree, file, "[tool.setuptools.dynamic"))
    if len(names) > 1:
        raise InspectionError(
            f"{place} takes the dependencies from {' and '.join(names)}: make one file that"
            " includes the others with `-r file`, and add REQUIREMENTS=file to laurel.env"
        )
    if names and not (file.parent / names[0]).is_file():
        raise InspectionError(f"{place} takes the dependencies from {names[0]}: no such file")
    return file.parent / names[0] if names else None


def _with_channels(tree: Tree) -> Path:
    """The one file of a folder requirements/ that names channels and is not for development.

    Raises InspectionError if there is not exactly one.
    """
    named = [
        file
        for folder in tree.folders()
        for file in sorted(folder.glob("*.txt"))
        if _names_channels(tree, file)
    ]
    found = [
        file
        for file in named
        if file.parent.name == "requirements"
        and not _OF_DEVELOPMENT & set(re.split(r"[-_.]", file.stem.lower()))
    ]
    if len(found) == 1:
        return found[0]
    texts = [tree.relative(file).as_posix() for file in named]
    advice = (
        f"channels is in {', '.join(texts)}: add the file for production to laurel.env, such as"
        f" REQUIREMENTS={texts[0]}"
        if texts
        else "add requirements.txt, or REQUIREMENTS=file to laurel.env"
    )
    raise InspectionError(
        f"nothing says what to install: no {', '.join(LOCKS)}, requirements*.txt and no"
        f" pyproject.toml with dependencies; {advice}"
    )


def _names_channels(tree: Tree, file: Path) -> bool:
    """Whether `file`, or a file that it includes, requires channels."""
    try:
        return any(_CHANNELS.search(tree.text(one)) for one in sources(tree.root, file))
    except InspectionError:
        return False  # a text file that holds no requirements may have another encoding


def python(tree: Tree, file: Path) -> tuple[str, Place] | None:
    """The versions of Python that the project wants, and where it says so."""
    project, pipfile = file.parent / "pyproject.toml", file.parent / "Pipfile"
    if file.name != "uv.lock" and pipfile.is_file():
        wanted = _toml(tree, pipfile).get("requires", {}).get("python_version")
        place = Place(tree.relative(pipfile), _line(tree, pipfile, "python"))
        return (f"=={wanted}.*", place) if wanted else None
    if not project.is_file():
        return None
    parsed = _toml(tree, project)
    poetry = parsed.get("tool", {}).get("poetry", {}).get("dependencies", {})
    wanted = parsed.get("project", {}).get("requires-python") or poetry.get("python")
    key = "requires-python" if "project" in parsed else "python"
    place = Place(tree.relative(project), _line(tree, project, key))
    return (wanted, place) if isinstance(wanted, str) else None


def pinned(tree: Tree, file: Path, package: str) -> tuple[str, str]:
    """The place that names `package`, and its version if that is pinned there, else ""."""
    named = (
        rf'^\W*(?:name = ")?{package}(?![\w-])(?:\[[\w, ]*\])?(?:"\nversion = ")?[ =]*(\d[\w.]*\b)?'
    )
    for one in sources(tree.root, file):
        text = one.read_text(encoding="utf-8-sig", errors="replace")
        if found := re.search(named, text, re.MULTILINE | re.IGNORECASE):
            line = text.count("\n", 0, found.end()) + 1
            return str(Place(tree.relative(one), line)), found[1] or ""
    return tree.relative(file).as_posix(), ""


def wants_other_python(tree: Tree, file: Path, version: str) -> str:
    """Why the project does not run on Python `version` ("3.13"); "" if it may.

    `version` has no patch number: one patch release that suits is enough.
    """
    wanted = python(tree, file)
    if wanted is None:
        return ""
    for part in re.split(r"\|\|?", wanted[0]):
        try:
            allowed = SpecifierSet(_pep_440(part))
        except InvalidSpecifier:
            return ""
        if any(allowed.contains(f"{version}.{patch}") for patch in range(_PATCHES)):
            return ""
    return (
        f"{wanted[1]}: the project wants Python {wanted[0]}, and the machine has {version}: choose"
        " another system with OS=, or another Python with SITE_PYTHON=version in laurel.env, or"
        " allow that version"
    )


def _pep_440(text: str) -> str:
    """Poetry's caret, tilde, separating blanks and bare version as PEP 440 writes them."""
    text = re.sub(r"(\^|~(?!=))\s*(\d+(?:\.\d+)*)", _range, text.strip())
    text = re.sub(r"(?<=[\d*])\s+(?=[<>=!~])", ",", text)
    return f"=={text}" if text[:1].isdigit() else text


def _range(found: re.Match[str]) -> str:
    numbers = found[2].split(".")
    kept = 1 if found[1] == "^" else min(2, len(numbers))
    end = ".".join([*numbers[: kept - 1], str(int(numbers[kept - 1]) + 1)])
    return f">={found[2]},<{end}"


def sources(root: Path, file: Path) -> list[Path]:
    """The files that decide what the requirements `file` installs.

    These are itself, those it includes, and the project's own packages that it installs. Files that
    do not exist, or lie outside `root`, are left out.
    """
    if file.suffix == ".lock":
        beside = (file, file.with_name("pyproject.toml"), file.with_name("Pipfile"))
        return [one for one in beside if one.is_file()]
    top = root.resolve()
    found: set[Path] = set()
    waiting = [file.resolve()]
    while waiting:
        one = waiting.pop()
        if one in found or not one.is_relative_to(top):
            continue
        if one.is_dir():
            folders = Tree(one).folders()
            found |= {inner for folder in folders for inner in folder.iterdir() if inner.is_file()}
        elif one.is_file():
            found.add(one)
            waiting += [path for _, path in _included(one)]
    return [root / one.relative_to(top) for one in sorted(found)]


def _included(file: Path) -> Iterator[tuple[int, Path]]:
    """The files and folders that a requirements file names: line and path."""
    if file.suffix == ".toml":
        return
    for number, line in enumerate(file.read_text("utf-8-sig", errors="replace").splitlines(), 1):
        named = _INCLUDES.match(line)
        if named and "://" not in named[1]:
            yield number, (file.parent / named[1]).resolve()


def refuse_outside(tree: Tree, file: Path) -> None:
    """Raise InspectionError for requirements that lie outside the project."""
    for one in sources(tree.root, file):
        for number, path in _included(one):
            if not path.is_relative_to(tree.root.resolve()):
                raise InspectionError(
                    f"{Place(tree.relative(one), number)} includes {path}, which is outside"
                    f" {tree.root}: name the folder that holds both"
                )


def requirements(file: Path) -> str | None:
    """A Pipfile.lock or poetry.lock as the lines that pip and uv install; None for other files.

    Development packages are left out. Raises InspectionError for a package without such a line.
    """
    tree = Tree(file.parent)
    if file.name == "Pipfile.lock":
        return "".join(f"{line}\n" for line in _pipenv_lines(tree, file))
    if file.name == "poetry.lock":
        return "".join(f"{line}\n" for line in _poetry_lines(tree, file))
    return None


def _pipenv_lines(tree: Tree, file: Path) -> Iterator[str]:
    for name, entry in _pipfile_lock(tree, file).items():
        if "version" not in entry:
            raise _not_from_an_index(file, name, ", ".join(entry))
        extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
        yield _hashed(f"{name}{extras}", entry["version"], entry.get("markers"), entry["hashes"])


def _poetry_lines(tree: Tree, file: Path) -> Iterator[str]:
    lock = _toml(tree, file)
    entries = {canonicalize_name(entry["name"]): entry for entry in lock.get("package", [])}
    for name in sorted(_of_production(tree, file, entries)):
        entry = entries[name]
        source = entry.get("source", {}).get("type")
        if source not in (None, "legacy"):
            raise _not_from_an_index(file, name, source)
        files = entry.get("files") or lock.get("metadata", {}).get("files", {}).get(name, [])
        markers = entry.get("markers")
        if isinstance(markers, dict):  # one for each group
            markers = markers.get("main")
        yield _hashed(name, f"=={entry['version']}", markers, [each["hash"] for each in files])


def _not_from_an_index(file: Path, name: str, source: str) -> InspectionError:
    return InspectionError(
        f"{file.name}: {name} comes from {source}, not from a package index: name a requirements"
        " file in laurel.env: REQUIREMENTS=file"
    )


def _of_production(
    tree: Tree, file: Path, entries: Mapping[NormalizedName, Any]
) -> set[NormalizedName]:
    """The packages that the main group needs, directly or not."""
    if all("groups" in entry for entry in entries.values()):  # since Poetry 2
        return {
            name
            for name, entry in entries.items()
            if "main" in entry["groups"] and not entry.get("optional")
        }
    project = _toml(tree, file.parent / "pyproject.toml")
    waiting = [
        *project.get("tool", {}).get("poetry", {}).get("dependencies", {}),
        *(
            match[0]
            for text in project.get("project", {}).get("dependencies", [])
            if (match := re.match(r"[\w.-]+", text))
        ),
    ]
    found: set[NormalizedName] = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in entries and name not in found:
            found.add(name)
            waiting += entries[name].get("dependencies", {})
    return found


def _hashed(name: str, version: str, markers: str | None, hashes: Iterable[str]) -> str:
    marker = f" ; {markers}" if markers else ""
    return " \\\n    ".join([f"{name}{version}{marker}", *(f"--hash={one}" for one in hashes)])


def _pipfile_lock(tree: Tree, file: Path) -> dict[str, Any]:
    """The entries that a Pipfile.lock has for production, by name."""
    try:
        default: dict[str, Any] = json.loads(tree.text(file))["default"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InspectionError(
            f"{tree.relative(file)} is not a valid Pipfile.lock ({error}): run `pipenv lock` there"
        ) from None
    return default


def _toml(tree: Tree, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(tree.text(file))
    except tomllib.TOMLDecodeError as error:
        raise InspectionError(f"{file.name} is not TOML: {error}") from None


def _line(tree: Tree, file: Path, text: str) -> int:
    """The first line of `file` that has `text`; 0 if none has."""
    lines = enumerate(tree.text(file).splitlines(), 1)
    return next((number for number, line in lines if text in line), 0)
