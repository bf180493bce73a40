"""Finds the parts of a project by its files; no code of the project runs."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from laurel import procfile
from laurel.procfile import NOT_BESIDE

from project import requirements
from project.given import Given
from project.tree import InspectionError, Place, Tree

_FOR_DEVELOPMENT = ("local", "dev", "develop", "development", "debug", "test", "testing")
_FOR_PRODUCTION = ("production", "prod", "live", "deploy", "deployment")
# os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings", or setdefault() with the same words.
_NAMES_SETTINGS = re.compile(
    r"""^[^#\n]*DJANGO_SETTINGS_MODULE["'][\s\]),=]*["']([\w.]+)["']""", re.MULTILINE
)
_HAS_APPLICATION = re.compile(r"^(application|from .+ import .*\bapplication)\b", re.MULTILINE)
_SERVER = re.compile(r"(?:^|[\s/])(daphne|uvicorn|gunicorn|hypercorn|granian|runserver)(?=\s|$)")
_IMPORTS_CHANNELS = re.compile(r"^\s*(from|import) channels\b", re.MULTILINE)

Sourced = tuple[str, str | Place]  # a value, and where it comes from


@dataclass
class Found:
    """The settings that were found, each with its place; `applications` may be the ASGI one.

    `processes` are those of the Procfile beside the site, name to command.
    """

    tree: Tree
    given: Given
    settings: dict[str, Sourced] = field(default_factory=dict)
    applications: list[str] = field(default_factory=list)
    processes: dict[str, str] = field(default_factory=dict)

    def settle(self, name: str, value: str, place: str | Place) -> str:
        """Take `value` unless another was given; "" is no value. Returns the value taken."""
        if name in self.given.values:
            value, place = self.given.values[name], self.given.places[name]
        if value:
            self.settings[name] = value, place
        return value

    def value(self, name: str) -> str:
        """The value of a setting; "" if it has none."""
        return self.settings.get(name, ("", ""))[0]

    @property
    def requirements(self) -> Path:
        return self.tree.root / self.value("REQUIREMENTS")


def find(root: Path, given: Given) -> Found:
    """Find the parts of the project at `root`. Raises InspectionError."""
    if not root.is_dir():
        raise InspectionError(f"{root} is not a folder: name the folder of a Django project")
    tree = Tree(root)
    found = Found(tree, given)
    values = given.values
    problems: list[str] = []
    django_root, place = _django_root(tree, values.get("DJANGO_ROOT", ""))
    found.settle("DJANGO_ROOT", tree.relative(django_root).as_posix(), place)
    for part in (_settings, _requirements, _procfile):
        try:
            part(found, django_root)
        except InspectionError as error:  # the other parts may have problems, too
            problems += str(error).splitlines()
    if problems:
        raise InspectionError("\n".join(problems))
    for name in values:
        found.settle(name, "", "")
    return found


def _django_root(tree: Tree, given: str) -> tuple[Path, str | Place]:
    """The folder of manage.py; of several the shallowest. Python follows a link to manage.py."""
    if given:
        folder = Path(os.path.normpath(tree.root / given))
        if not (folder / "manage.py").is_file():
            raise InspectionError(f"DJANGO_ROOT={given} has no manage.py in {tree.root}")
        return folder, "DJANGO_ROOT"
    found = [folder for folder in tree.folders() if (folder / "manage.py").is_file()]
    if not found:
        raise InspectionError(
            f"{tree.root} has no manage.py in any folder: name the folder of a Django project"
        )
    depth = len(found[0].parts)
    rivals = [folder for folder in found if len(folder.parts) == depth]
    if len(rivals) > 1:
        each = " and ".join(str(tree.relative(folder)) for folder in rivals)
        raise InspectionError(
            f"{each} each have a manage.py: add one of them to laurel.env:"
            f" DJANGO_ROOT={tree.relative(rivals[0])}"
        )
    script = (found[0] / "manage.py").resolve()
    folder = script.parent if script.is_relative_to(tree.root.resolve()) else found[0].resolve()
    return tree.root / folder.relative_to(tree.root.resolve()), Place(
        tree.relative(found[0]) / "manage.py"
    )


def _settings(found: Found, django_root: Path) -> None:
    """The settings module, the folder it is imported from, and the ASGI applications."""
    tree, given = found.tree, found.given.values
    near = {
        name: [folder / name for folder in Tree(django_root).folders() if (folder / name).is_file()]
        for name in ("asgi.py", "wsgi.py")
    }
    module, place = given.get("SETTINGS_MODULE", ""), found.given.places.get("SETTINGS_MODULE", "")
    for file in [] if module else [*near["asgi.py"], *near["wsgi.py"], django_root / "manage.py"]:
        text = tree.text(file)
        named = _NAMES_SETTINGS.search(text)
        if named:
            line = text.count("\n", 0, named.start(1)) + 1
            module, place = named[1], str(Place(tree.relative(file), line))
            break
    if not module:
        raise InspectionError(
            f"{tree.relative(django_root / 'manage.py')} does not say which settings it uses:"
            " add SETTINGS_MODULE=package.settings to laurel.env"
        )
    import_root = _import_root(found, django_root, module, place)
    package, _, name = module.rpartition(".")
    if "SETTINGS_MODULE" not in given and package and name in _FOR_DEVELOPMENT:
        for other in _FOR_PRODUCTION:
            if _file(import_root, f"{package}.{other}"):
                module, place = f"{package}.{other}", f"{place} names {module}"
                break
    found.settle("SETTINGS_MODULE", module, place)
    asgi = [file for file in near["asgi.py"] if _HAS_APPLICATION.search(tree.text(file))]
    asgi.sort(key=lambda file: not _IMPORTS_CHANNELS.search(tree.text(file)))
    found.applications = [
        ".".join(file.relative_to(import_root).with_suffix("").parts) + ":application"
        for file in asgi
        if file.is_relative_to(import_root)
    ]
    application = given.get("ASGI_APPLICATION")
    if application:
        found.applications = [application]


def _import_root(found: Found, django_root: Path, module: str, place: str) -> Path:
    """The folder from which the settings are imported: manage.py's, or one that manage.py adds."""
    tree, given = found.tree, found.given.values.get("IMPORT_ROOT")
    folders = [tree.root / given] if given else [django_root, *tree.folders()]
    root = next((folder for folder in folders if _file(folder, module)), None)
    if root is None:
        where = given or (
            tree.relative(django_root).as_posix() + " or another folder"
        ).removeprefix("./")
        raise InspectionError(
            f"{place} names the settings {module}, and {where} has no such module: add"
            " SETTINGS_MODULE=package.settings to laurel.env, or IMPORT_ROOT=folder"
        )
    if root != django_root:
        file = _file(root, module)
        found.settle(
            "IMPORT_ROOT", tree.relative(root).as_posix(), Place(tree.relative(file or root))
        )
    return root


def _file(folder: Path, module: str) -> Path | None:
    path = folder.joinpath(*module.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _requirements(found: Found, django_root: Path) -> None:
    tree, given = found.tree, found.given.values.get("REQUIREMENTS", "")
    if given and not (tree.root / given).is_file():
        raise InspectionError(f"REQUIREMENTS={given}: there is no such file in {tree.root}")
    file = tree.root / given if given else requirements.find(tree, django_root)
    tree.text(file)  # refuses what is not UTF-8
    if file.suffix != ".lock":
        requirements.refuse_outside(tree, file)
    found.settle("REQUIREMENTS", tree.relative(file).as_posix(), Place(tree.relative(file)))


def _procfile(found: Found, django_root: Path) -> None:
    """PROCFILE, RELEASE_COMMAND, and the processes beside the site."""
    tree, given = found.tree, found.given.values.get("PROCFILE", "")
    if given and not (tree.root / given).is_file():
        raise InspectionError(f"PROCFILE={given}: there is no such file in {tree.root}")
    names = [tree.root / given] if given else [tree.root / "Procfile", django_root / "Procfile"]
    file = next((file for file in names if file.is_file()), None)
    manage = os.path.relpath(django_root / "manage.py", file.parent) if file else "manage.py"
    release: Sourced = f"python {manage} migrate --noinput", "as any project needs"
    if file:
        tree.text(file)
        path = tree.relative(file)
        entries, faults = procfile.read(file)
        problems = [f"{Place(path, line)}: {text}" for line, text in faults]
        for entry in entries:
            if entry.name == "release":
                release = entry.command, Place(path, entry.line)
            elif entry.name in ("asgi", "wsgi"):
                problems.append(
                    f"{Place(path, entry.line)}: the site's own processes are called"
                    f" `{entry.name}`: use another name, or `web` if this one serves the site"
                )
            elif entry.name not in NOT_BESIDE:
                found.processes[entry.name] = entry.command
        if problems:
            raise InspectionError("\n".join(problems))
        found.settle("PROCFILE", path.as_posix(), Place(path))
    found.settle("RELEASE_COMMAND", *release)


def notes(found: Found) -> Iterator[str]:
    """Processes of the Procfile that look like the site's server."""
    for name, command in found.processes.items():
        server = _SERVER.search(command)
        if server:
            yield (
                f"{found.value('PROCFILE')}: {name} runs `{server[1]}`, which looks like the site's"
                " server. Laurel runs that itself: call this process `web`, or set PROCFILE to a"
                " file without it"
            )
