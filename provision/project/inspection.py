"""Finds the parts of a project, in order: each part needs only earlier ones."""

from collections.abc import Mapping
from pathlib import Path

from project.findings import dependencies, entry, procfile, routes
from project.findings.dependencies import DependencyError, Package
from project.findings.project import Project
from project.findings.settled import Findings
from project.findings.versions import allows_from
from project.source.modules import Modules
from project.source.tree import InspectionError, Place, Tree


def inspect(root: Path, given: Mapping[str, str]) -> Project:
    """Find the parts of the project at `root`; `given` are the settings that need no search.

    Raises InspectionError if a part is missing that the others need; SyntaxError for a file that
    is not Python; DependencyError.
    """
    if not root.is_dir():
        raise InspectionError(f"{root} is not a folder: name the folder of a Django project")
    tree = Tree(root)
    findings = Findings(root, given)

    django_root, place = entry.django_root(tree, given.get("DJANGO_ROOT", ""))
    findings.settle("DJANGO_ROOT", tree.relative(django_root).as_posix(), place)
    modules = Modules(tree, django_root)

    settings, place = entry.settings_module(modules, given.get("SETTINGS_MODULE", ""))
    findings.settle("SETTINGS_MODULE", settings, place)

    requirements = _requirements(tree, django_root, given.get("REQUIREMENTS", ""))
    packages = dependencies.packages(tree, requirements)
    _refuse_old_channels(packages)

    asgi, place = entry.asgi_application(modules, settings, given.get("ASGI_APPLICATION", ""))
    findings.settle("ASGI_APPLICATION", asgi, place)
    findings.settle("WSGI_APPLICATION", *entry.wsgi_application(modules, settings))
    requirements_file = tree.relative(requirements)
    findings.settle("REQUIREMENTS", requirements_file.as_posix(), Place(requirements_file))

    project = Project(
        tree=tree,
        django_root=django_root,
        modules=modules,
        settings_module=settings,
        asgi_module=asgi.partition(":")[0],
        requirements=requirements,
        packages=packages,
        processes=procfile.settle(findings, tree, django_root),
        findings=findings,
    )
    _settle_urls(findings, project)
    _settle_pages(findings, project)
    _settle_static_file(findings, project)
    findings.settle_given()
    return project


def _requirements(tree: Tree, django_root: Path, given: str) -> Path:
    if not given:
        return dependencies.find(tree, django_root)
    if not (tree.root / given).is_file():
        raise DependencyError(f"REQUIREMENTS={given}: there is no such file in {tree.root}")
    return tree.root / given


def _refuse_old_channels(packages: Mapping[str, Package]) -> None:
    channels = packages.get("channels")
    if channels and not allows_from(channels.specifiers, "3"):
        raise InspectionError(
            f"{channels.place}: channels{channels.specifiers}: no maintained server runs Channels"
            " 1 and 2: move the project to channels>=4 (get_asgi_application() for http,"
            " Consumer.as_asgi() in the routes), and its requirements to channels>=4"
        )


def _settle_urls(findings: Findings, project: Project) -> None:
    """The paths that nginx serves itself."""
    for name, default in (("STATIC_URL", "/static/"), ("MEDIA_URL", "")):
        value = project.setting(name)
        text = value.value if value and isinstance(value.value, str) else default
        findings.settle(name, _url(text), value.place if value else "Django's default")


def _settle_pages(findings: Findings, project: Project) -> None:
    """The paths that health checks and the proof request."""
    urlconf = project.setting("ROOT_URLCONF")
    pages: list[routes.Route] = []
    if urlconf and isinstance(urlconf.value, str):
        pages = routes.pages(project.modules, urlconf.value)
    page = routes.page(pages)
    healthy = routes.health(pages) or page
    findings.settle(
        "HEALTH_PATH",
        healthy.path if healthy else "/",
        healthy.place if healthy else "no page is known",
    )
    sockets = routes.websockets(project.modules, project.asgi_module)
    named = project.setting("ASGI_APPLICATION")
    if not sockets and named and isinstance(named.value, str):
        # asgi.py may call get_default_application(), which reads this setting.
        sockets = routes.websockets(project.modules, named.value.rpartition(".")[0])
    for name, route in (("PAGE_PATH", page), ("WEBSOCKET_PATH", sockets[0] if sockets else None)):
        if route:
            findings.settle(name, route.path, route.place)


def _settle_static_file(findings: Findings, project: Project) -> None:
    static = _static_file(project.django_root)
    url = findings.value("STATIC_URL")
    if static and url:
        place = Place(project.tree.relative(static[1]))
        findings.settle("STATIC_FILE", f"{url}{static[0]}", place)


def _url(text: str) -> str:
    """A path that begins and ends with a slash; empty if it is empty or on another host."""
    if not text or "//" in text:
        return ""
    return "/" + text.strip("/") + "/" if text.strip("/") else ""


def _static_file(django_root: Path) -> tuple[str, Path] | None:
    """A file that collectstatic gathers: its name below STATIC_URL, and its path."""
    for folder in Tree(django_root).folders():
        if folder.name == "static":
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            best = [path for path in files if path.suffix in (".css", ".js")] or files
            if best:
                return best[0].relative_to(folder).as_posix(), best[0]
    return None
