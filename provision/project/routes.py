"""Paths that a project serves: its pages, from the URL configuration, and its websockets."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from project import pattern
from project.modules import Modules, called, calls, literal
from project.tree import Place

# What projects call the page that tells whether they are well; the most exact first.
HEALTH = (
    "healthz",
    "health",
    "livez",
    "health/live",
    "healthcheck",
    "health-check",
    "ht",
    "_health",
)


@dataclass(frozen=True)
class Route:
    """A path as a browser asks for it, and where the project says so.

    `exact` is false where a part of the path is a sample for a parameter.
    """

    path: str
    place: Place
    exact: bool


def pages(modules: Modules, urlconf: str) -> list[Route]:
    """What `urlconf` serves, in its order."""
    return list(_patterns(modules, urlconf, "", True, frozenset()))


def health(found: list[Route]) -> Route | None:
    """The page for health checks."""
    exact = {route.path.strip("/"): route for route in reversed(found) if route.exact}
    return next((exact[name] for name in HEALTH if name in exact), None)


def page(found: list[Route]) -> Route | None:
    """A page to look at: the site's first, else any that is not the admin's or a health check."""
    others = [
        route
        for route in found
        if route.exact and route.path.strip("/").partition("/")[0] not in ("admin", *HEALTH)
    ]
    return next((route for route in others if route.path == "/"), others[0] if others else None)


def websockets(modules: Modules, asgi: str) -> list[Route]:
    """The websocket paths that the module `asgi` routes, or a module that it imports."""
    for module in modules.reached(asgi):
        path = modules.file(module)
        if path is None:
            continue
        tree = modules.parse(path)
        lists = [
            call.args[0]
            for call in calls(tree, "URLRouter")
            if call.args and isinstance(call.args[0], ast.List)
        ]
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.List):
                lists.append(statement.value)
        found = []
        for routes in lists:
            for call in routes.elts:
                if isinstance(call, ast.Call) and called(call) in ("path", "re_path", "url"):
                    route = _route(modules, path_of(call), call, path, "", True)
                    # The list of Django's own pages stands in the same form.
                    if route and _is_consumer(call):
                        found.append(route)
        if found:
            # Whom the administration lets in, nobody knows.
            return sorted(found, key=lambda route: "admin" in route.path)
    return []


def path_of(call: ast.Call) -> str | None:
    """The first argument of path(), if it is text."""
    value = literal(call.args[0]) if call.args else None
    return value if isinstance(value, str) else None


def _is_consumer(call: ast.Call) -> bool:
    view = call.args[1] if len(call.args) > 1 else None
    return view is not None and ("as_asgi" in ast.unparse(view) or "onsumer" in ast.unparse(view))


def _patterns(
    modules: Modules, urlconf: str, prefix: str, exact: bool, seen: frozenset[str]
) -> Iterator[Route]:
    path = modules.file(urlconf)
    if path is None or urlconf in seen:
        return
    for statement in modules.parse(path).body:
        value = getattr(statement, "value", None)
        targets = (
            [statement.target]
            if isinstance(statement, ast.AugAssign)
            else getattr(statement, "targets", [])
        )
        if not any(isinstance(name, ast.Name) and name.id == "urlpatterns" for name in targets):
            continue
        for call in calls(value, "path", "re_path", "url") if value else ():
            text = path_of(call)
            route = _route(modules, text, call, path, prefix, exact)
            if route is None:
                continue
            view = call.args[1] if len(call.args) > 1 else None
            if isinstance(view, ast.Call) and called(view) == "include":
                name = path_of(view)
                if name:
                    inner = route.path[1:]
                    yield from _patterns(modules, name, inner, route.exact, seen | {urlconf})
            else:
                yield route


def _route(
    modules: Modules, text: str | None, call: ast.Call, path: object, prefix: str, exact: bool
) -> Route | None:
    if text is None:
        return None
    is_regex = called(call) != "path"
    sample = pattern.of_regex(text) if is_regex else pattern.of_path(text)
    if sample is None:
        return None
    return Route(
        "/" + prefix + sample.text,
        modules.place(path, call),  # type: ignore[arg-type]
        exact and sample.exact,
    )
