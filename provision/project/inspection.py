"""What a project is made of: each setting with its value and where that was found."""

import ast
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from project import dependencies, routes
from project.dependencies import DependencyError, Package
from project.modules import Modules, Value, calls, settings_assigned
from project.tree import Place, Tree
from project.versions import allows, numbers


class InspectionError(Exception):
    """Without what was looked for, nothing else can be: what, where, and the line to add."""


@dataclass(frozen=True)
class Found:
    """One setting: its value, and where it comes from."""

    name: str
    value: str
    source: str


@dataclass
class Project:
    """A project, as far as it could be told by reading it."""

    tree: Tree
    django_root: Path
    modules: Modules
    settings_module: str
    asgi_module: str
    requirements: Path
    packages: dict[str, Package]
    processes: dict[str, str]  # of the Procfile: name to command
    found: list[Found] = field(default_factory=list)

    def setting(self, name: str) -> Value | None:
        """What the project's settings assign to `name`."""
        return self.modules.assigned(self.settings_module, name)

    def candidates(self, name: str) -> list[Value]:
        """All that `name` of the settings may be, where conditions decide."""
        return self.modules.candidates(self.settings_module, name)

    def value(self, name: str) -> str:
        """The value of one of Laurel's settings; empty if it has none."""
        return next((one.value for one in self.found if one.name == name), "")


def inspect(root: Path, given: Mapping[str, str]) -> Project:
    """Look at the project at `root`; `given` are the settings that need no search.

    Raises InspectionError for what nothing can do without; SyntaxError for a file that is not
    Python; DependencyError.
    """
    if not root.is_dir():
        raise InspectionError(f"{root} is no folder: name that of a Django project")
    tree = Tree(root)
    found: list[Found] = []

    def settle(name: str, value: str, source: str | Place) -> None:
        if given.get(name):
            value, source = given[name], _where_given(root, name)
        if value:
            found.append(Found(name, value, str(source)))

    django_root, source = _django_root(tree, given.get("DJANGO_ROOT", ""))
    settle("DJANGO_ROOT", tree.relative(django_root).as_posix(), source)
    modules = Modules(tree, django_root)

    settings_module, place = _settings_module(modules, given.get("SETTINGS_MODULE", ""))
    settle("SETTINGS_MODULE", settings_module, place)
    settings_file = modules.file(settings_module)
    if settings_file is None:
        raise InspectionError(
            f"{place} names the settings {settings_module}, and no such module is below"
            f" {_shown(tree, django_root)}: add SETTINGS_MODULE=package.settings to laurel.env"
        )

    named = given.get("REQUIREMENTS", "")
    requirements = root / named if named else dependencies.find(tree, django_root)
    if not requirements.is_file():
        raise DependencyError(f"REQUIREMENTS={named}: there is no such file in {root}")
    packages = dependencies.packages(tree, requirements)
    old = _too_old(packages)
    if old:
        raise InspectionError(old)

    application, place = _application(modules, settings_module, given.get("ASGI_APPLICATION", ""))
    settle("ASGI_APPLICATION", application, place)
    asgi_module = application.partition(":")[0]
    settle(
        "REQUIREMENTS", tree.relative(requirements).as_posix(), Place(tree.relative(requirements))
    )

    project = Project(
        tree=tree,
        django_root=django_root,
        modules=modules,
        settings_module=settings_module,
        asgi_module=asgi_module,
        requirements=requirements,
        packages=packages,
        processes={},
        found=found,
    )
    procfile = next(
        (folder / "Procfile" for folder in (root, django_root) if (folder / "Procfile").is_file()),
        None,
    )
    if procfile:
        manage = os.path.relpath(django_root / "manage.py", procfile.parent)
    else:
        manage = "manage.py"
    release: tuple[str, str | Place] = f"python {manage} migrate --noinput", "as any project needs"
    if procfile:
        for name, command, line in _procfile(tree, procfile):
            if name == "release":
                release = command, line
            elif name != "web":  # Laurel serves the site itself
                project.processes[name] = command
        settle("PROCFILE", tree.relative(procfile).as_posix(), Place(tree.relative(procfile)))
    settle("RELEASE_COMMAND", *release)

    for name, default in (("STATIC_URL", "/static/"), ("MEDIA_URL", "")):
        value = project.setting(name)
        text = value.value if value and isinstance(value.value, str) else default
        settle(name, _url(text), value.place if value else "Django's default")

    urlconf = project.setting("ROOT_URLCONF")
    pages = (
        routes.pages(modules, urlconf.value) if urlconf and isinstance(urlconf.value, str) else []
    )
    health, page = routes.health(pages), routes.page(pages)
    well = health or page
    settle("HEALTH_PATH", well.path if well else "/", well.place if well else "no page is known")
    if page:
        settle("PAGE_PATH", page.path, page.place)
    sockets = routes.websockets(modules, asgi_module)
    if sockets or given.get("WEBSOCKET_PATH"):
        first = sockets[0] if sockets else None
        settle("WEBSOCKET_PATH", first.path if first else "", first.place if first else "")
    static = _static_file(django_root)
    if static:
        url = project.value("STATIC_URL")
        settle("STATIC_FILE", f"{url}{static[0]}" if url else "", Place(tree.relative(static[1])))
    for name in given:
        if given[name] and not project.value(name):
            found.append(Found(name, given[name], _where_given(root, name)))
    return project


def _too_old(packages: Mapping[str, Package]) -> str:
    """What there is to say of Channels 1 and 2; empty for what may be 3 or later."""
    channels = packages.get("channels")
    if channels is None:
        return ""
    exact = re.findall(r"==\s*([\d.]+)", channels.specifiers)
    later = ("3.0.5", "4.0.0", "4.99", *exact)
    if any(allows(channels.specifiers, version) for version in later) and not any(
        numbers(version) < (3,) for version in exact
    ):
        return ""
    return (
        f"{channels.place}: channels{channels.specifiers}: Channels 1 and 2 are served by nothing"
        " that is maintained: move the project to channels>=4 (get_asgi_application() for http,"
        " Consumer.as_asgi() in the routes), and its requirements to channels>=4"
    )


def _where_given(root: Path, name: str) -> str:
    """Where a setting that was given stands; the project's own file, or the command line."""
    file = root / "laurel.env"
    if file.is_file():
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if line.startswith(f"{name}="):
                return f"laurel.env, line {number}"
    return "the command line"


def _shown(tree: Tree, folder: Path) -> str:
    return "the project's root" if folder == tree.root else str(tree.relative(folder))


def _django_root(tree: Tree, given: str) -> tuple[Path, str | Place]:
    """The folder of manage.py: the shallowest, however deep it is."""
    if given:
        folder = Path(os.path.normpath(tree.root / given))
        if not (folder / "manage.py").is_file():
            raise InspectionError(f"DJANGO_ROOT={given} has no manage.py in {tree.root}")
        return folder, _where_given(tree.root, "DJANGO_ROOT")
    found = [folder for folder in tree.folders() if (folder / "manage.py").is_file()]
    if not found:
        raise InspectionError(
            f"{tree.root} has no manage.py, in no folder: name the folder of a Django project"
        )
    depth = len(found[0].parts)
    rivals = [folder for folder in found if len(folder.parts) == depth]
    if len(rivals) > 1:
        names = " and ".join(str(tree.relative(folder)) for folder in rivals)
        raise InspectionError(
            f"{names} each have a manage.py: add one of them to laurel.env:"
            f" DJANGO_ROOT={tree.relative(rivals[0])}"
        )
    return found[0], Place(tree.relative(found[0]) / "manage.py")


def _settings_module(modules: Modules, given: str) -> tuple[str, str | Place]:
    """The settings that the project is served with: those of asgi.py before those of manage.py."""
    if given:
        return given, _where_given(modules.root, "SETTINGS_MODULE")
    folder = modules.folder
    files = [
        *_near(folder, "asgi.py"),
        *_near(folder, "wsgi.py"),
        folder / "manage.py",
    ]
    for file in files:
        for call in calls(modules.parse(file), "setdefault"):
            words = [node.value for node in call.args if isinstance(node, ast.Constant)]
            if len(words) == 2 and words[0] == "DJANGO_SETTINGS_MODULE":
                return str(words[1]), modules.place(file, call)
        for node in settings_assigned(modules.parse(file)):
            if isinstance(node.value, ast.Constant):
                return str(node.value.value), modules.place(file, node)
    raise InspectionError(
        f"{modules.place(folder / 'manage.py')} does not say which settings it uses:"
        " add SETTINGS_MODULE=package.settings to laurel.env"
    )


def _near(folder: Path, name: str) -> list[Path]:
    """The files of that name in the packages of `folder`, the shallowest first."""
    return [found / name for found in Tree(folder).folders() if (found / name).is_file()]


def _application(modules: Modules, settings_module: str, given: str) -> tuple[str, str | Place]:
    """The ASGI application as module:attribute."""
    if given:
        if not re.fullmatch(r"[\w.]+:[\w.]+", given):
            raise InspectionError(
                f"ASGI_APPLICATION={given} is not of the form module:attribute, such as"
                " mysite.asgi:application"
            )
        return given, _where_given(modules.root, "ASGI_APPLICATION")
    named = modules.assigned(settings_module, "ASGI_APPLICATION")
    if named and isinstance(named.value, str):
        module, _, attribute = named.value.rpartition(".")
        if not modules.file(module):
            raise InspectionError(
                f"{named.place}: ASGI_APPLICATION is {named.value!r}, and no module {module} is"
                f" there: add the file, or ASGI_APPLICATION=module:attribute to laurel.env"
            )
        return f"{module}:{attribute}", named.place
    files = _near(modules.folder, "asgi.py")
    for file in files:
        if modules.assigned(modules.name(file), "application"):
            return f"{modules.name(file)}:application", modules.place(file)
    package = settings_module.partition(".")[0]
    raise InspectionError(
        f"no asgi.py, and {settings_module} has no ASGI_APPLICATION: Channels is not"
        f" set up. Add {package}/asgi.py as the Channels guide has it, and"
        f' ASGI_APPLICATION = "{package}.asgi.application" to the settings'
    )


def _procfile(tree: Tree, file: Path) -> list[tuple[str, str, Place]]:
    found = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        place = Place(tree.relative(file), number)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = re.fullmatch(r"([A-Za-z0-9_-]+):\s*(\S.*)", line.strip())
        if not parts:
            raise InspectionError(f"{place}: not `name: command`: {line.strip()}")
        found.append((parts[1], parts[2], place))
    return found


def _url(text: str) -> str:
    """A path that begins and ends with a slash; empty for another host's or none."""
    if not text or "//" in text:
        return ""
    return "/" + text.strip("/") + "/" if text.strip("/") else ""


def _static_file(django_root: Path) -> tuple[str, Path] | None:
    """A file that collectstatic gathers: its name below STATIC_URL, and its path."""
    for folder in Tree(django_root).folders():
        if folder.name == "static":
            names = sorted(path for path in folder.rglob("*") if path.is_file())
            best = [path for path in names if path.suffix in (".css", ".js")] or names
            if best:
                return best[0].relative_to(folder).as_posix(), best[0]
    return None
