"""The paths that a project serves: pages of the URL configuration, and websockets."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from project.findings import pattern
from project.source import names
from project.source.modules import Modules, called, calls
from project.source.names import Term, literal
from project.source.tree import Place

# Common names of health pages, the most specific first.
HEALTH = (
    *("healthz", "health", "livez", "health/live"),
    *("healthcheck", "health-check", "ht", "_health"),
)
_ROUTES = ("path", "re_path", "url")
# A client changes other characters, and may merge two slashes.
_PLAIN = re.compile(r"(/[\w.~:@+,=-]+)*/?", re.ASCII)

# Returns the lists of routes below a view; None if the view answers itself.
_Below = Callable[[Modules, Term], list[Term] | None]


@dataclass(frozen=True)
class Route:
    """A path as a client requests it, and its place in the project.

    `certain` is false where a part of the path is a sample for a parameter, or where a condition
    decides whether the path is served.
    """

    path: str
    place: Place
    certain: bool


def pages(modules: Modules, urlconf: str) -> list[Route]:
    """The pages of `urlconf`, in its order."""
    start = Term(urlconf, ast.Constant(urlconf))
    return list(_served(modules, _included(modules, start), None, _below_page))


def health(found: list[Route]) -> Route | None:
    """The health page with the best name, then the shortest path."""
    certain = sorted((route for route in found if route.certain), key=lambda route: len(route.path))
    return next((route for name in HEALTH for route in certain if _is_called(route, name)), None)


def page(found: list[Route]) -> Route | None:
    """The page at /, else the first one that is neither the admin's nor a health page."""
    others = [
        route
        for route in found
        if route.certain
        and not route.path.startswith("/admin/")
        and not any(_is_called(route, name) for name in HEALTH)
    ]
    return next((route for route in others if route.path == "/"), others[0] if others else None)


def _is_called(route: Route, name: str) -> bool:
    return f"/{route.path.strip('/')}".endswith(f"/{name}")


def websockets(modules: Modules, asgi: str) -> list[Route]:
    """The websocket paths of the first module with any: `asgi`, then the modules it imports."""
    reached = modules.reached(asgi)
    # A router inside a route serves below that route, and not by itself.
    inner = {
        router.node
        for route in _calls(modules, reached, *_ROUTES)
        for router in _routers(modules, _view(route))
    }
    for module in reached:
        routers = _calls(modules, [module], "URLRouter")
        lists = [_routed(router) for router in routers if router.node not in inner]
        found = list(_served(modules, lists, None, _below_socket))
        if found:
            # A websocket of the administration probably refuses the proof's visitor.
            return sorted(found, key=lambda route: "admin" in route.path)
    return []


def _served(
    modules: Modules, lists: list[Term], base: Route | None, below: _Below
) -> Iterator[Route]:
    """The paths of the lists of routes, below the path of `base`."""
    for entry in (entry for routes in lists for entry in names.elements(modules, routes)):
        route = _route(modules, entry, base)
        if route is None:
            continue
        inner = below(modules, _view(entry))
        if inner is None:
            yield route
        else:
            yield from _served(modules, inner, route, below)


def _route(modules: Modules, entry: Term, base: Route | None) -> Route | None:
    """The route that a call of path() makes; None if its path is not known."""
    file = modules.file(entry.module)
    text = literal(_argument(entry, 0, "route", "regex").node)
    if (
        file is None
        or not isinstance(entry.node, ast.Call)
        or called(entry.node) not in _ROUTES
        or not isinstance(text, str)
    ):
        return None
    is_path = called(entry.node) == "path"
    sample = pattern.of_path(text) if is_path else pattern.of_regex(text)
    if sample is None:
        return None
    whole = (base.path if base else "/") + sample.text
    certain = sample.exact and entry.certain and (base is None or base.certain)
    if not _PLAIN.fullmatch(whole):
        return None
    return Route(whole, modules.place(file, entry.node), certain)


def _below_page(modules: Modules, view: Term) -> list[Term] | None:
    if isinstance(view.node, ast.Call) and called(view.node) == "include":
        return _included(modules, _argument(view, 0, "arg"))
    # The admin has a page at its root; other objects with urls, such as an API's, may not.
    if isinstance(view.node, ast.Attribute) and view.node.attr == "urls":
        return None if ast.unparse(view.node).endswith("site.urls") else []
    return None


def _included(modules: Modules, term: Term) -> list[Term]:
    """The lists of routes for the argument of include(): a module, its name, or the routes."""
    node = term.node
    if isinstance(node, ast.Tuple):  # the routes, and the name of their app
        return _included(modules, term.at(node.elts[0])) if node.elts else []
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return names.assigned(modules, term.within(node.value), "urlpatterns")
    if not isinstance(node, ast.Name | ast.Attribute):
        return [term]
    module = names.module_named(modules, term)
    if module:
        return names.assigned(modules, term.within(module), "urlpatterns")
    return [routes for meant in names.meant(modules, term) for routes in _included(modules, meant)]


def _below_socket(modules: Modules, view: Term) -> list[Term] | None:
    routers = _routers(modules, view)
    text = ast.unparse(view.node)
    # A list of Django's pages has the same form, but no consumers.
    is_consumer = "as_asgi" in text or "onsumer" in text
    return None if is_consumer and not routers else [_routed(router) for router in routers]


def _routers(modules: Modules, view: Term) -> list[Term]:
    """The calls of URLRouter() that `view` is or wraps."""
    inner = names.meant(modules, view)
    if isinstance(view.node, ast.Call):
        if called(view.node) == "URLRouter":
            return [view]
        inner = [view.at(argument) for argument in view.node.args]
    return [router for term in inner for router in _routers(modules, term)]


def _routed(router: Term) -> Term:
    return _argument(router, 0, "routes")


def _view(entry: Term) -> Term:
    return _argument(entry, 1, "view")


def _calls(modules: Modules, within: list[str], *functions: str) -> Iterator[Term]:
    """The calls of `functions` anywhere in the modules `within`."""
    for module in within:
        path = modules.file(module)
        for call in calls(modules.parse(path), *functions) if path else ():
            yield Term(module, call)


def _argument(term: Term, position: int, *keywords: str) -> Term:
    """An argument of the call `term`; the constant None if it is missing."""
    call = term.node
    if isinstance(call, ast.Call):
        if len(call.args) > position:
            return term.at(call.args[position])
        for keyword in call.keywords:
            if keyword.arg in keywords:
                return term.at(keyword.value)
    return term.at(ast.Constant(None))
