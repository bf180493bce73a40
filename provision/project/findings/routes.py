"""Paths that a project serves: its pages, from the URL configuration, and its websockets."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from project.findings import pattern
from project.source import names
from project.source.modules import Modules, called, calls, literal
from project.source.names import Term
from project.source.tree import Place

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
_ROUTES = ("path", "re_path", "url")
# What is given routes and serves them under the same paths; i18n_patterns() by a redirect.
_WRAPPERS = ("i18n_patterns", "format_suffix_patterns", "list", "tuple", "chain")
# Other characters are asked for in another form, and two slashes may be taken for one.
_PLAIN = re.compile(r"(/[\w.~:@+,=-]+)*/?", re.ASCII)

# The lists of routes below a view; None if it answers itself.
_Below = Callable[[Modules, Term], list[Term] | None]


@dataclass(frozen=True)
class Route:
    """A path as a browser asks for it, and where the project says so.

    `certain` is false where a part of the path is a sample for a parameter, or where a condition
    decides whether it is served.
    """

    path: str
    place: Place
    certain: bool


def pages(modules: Modules, urlconf: str) -> list[Route]:
    """What `urlconf` serves, in its order."""
    start = Term(urlconf, ast.Constant(urlconf))
    return list(_served(modules, _included(modules, start), None, _below_page))


def health(found: list[Route]) -> Route | None:
    """The page for health checks, as high as it is."""
    certain = sorted((route for route in found if route.certain), key=lambda route: len(route.path))
    return next((route for name in HEALTH for route in certain if _is_called(route, name)), None)


def page(found: list[Route]) -> Route | None:
    """A page to look at: the site's first, else any that is not the admin's or a health check."""
    others = [
        route
        for route in found
        if route.certain
        and not route.path.startswith("/admin/")
        and not any(_is_called(route, name) for name in HEALTH)
    ]
    return next((route for route in others if route.path == "/"), others[0] if others else None)


def _is_called(route: Route, name: str) -> bool:
    """Whether `route` is `name`, by itself or below a prefix."""
    return f"/{route.path.strip('/')}".endswith(f"/{name}")


def websockets(modules: Modules, asgi: str) -> list[Route]:
    """The websocket paths that the module `asgi` routes, or a module that it imports."""
    reached = modules.reached(asgi)
    # A router in a route serves below that route's path, wherever it is written.
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
            # Whom the administration lets in, nobody knows.
            return sorted(found, key=lambda route: "admin" in route.path)
    return []


def _served(
    modules: Modules, lists: list[Term], base: Route | None, below: _Below
) -> Iterator[Route]:
    """What the lists of routes serve below the path of `base`."""
    for entry in (entry for routes in lists for entry in _entries(modules, routes)):
        route = _route(modules, entry, base)
        if route is None:
            continue
        inner = below(modules, _view(entry))
        if inner is None:
            yield route
        else:
            yield from _served(modules, inner, route, below)


def _entries(modules: Modules, term: Term) -> Iterator[Term]:
    """The calls of path() that the list of routes `term` is made of, in its order."""
    node = term.node
    parts: list[ast.expr] = []
    match node:
        case ast.Name() | ast.Attribute():
            for meant in names.meant(modules, term):
                yield from _entries(modules, meant)
        case ast.List() | ast.Tuple():
            parts = node.elts
        case ast.Starred():
            parts = [node.value]
        case ast.BinOp(op=ast.Add()):
            parts = [node.left, node.right]
        case ast.Call() if called(node) in _ROUTES:
            yield term
        case ast.Call() if called(node) in _WRAPPERS:
            parts = node.args
    for part in parts:
        yield from _entries(modules, term.at(part))


def _route(modules: Modules, entry: Term, base: Route | None) -> Route | None:
    """The route that a call of path() makes; None where its path can't be told."""
    path = modules.file(entry.module)
    text = literal(_argument(entry, 0, "route", "regex").node)
    if path is None or not isinstance(text, str):
        return None
    is_path = isinstance(entry.node, ast.Call) and called(entry.node) == "path"
    sample = pattern.of_path(text) if is_path else pattern.of_regex(text)
    if sample is None:
        return None
    whole = (base.path if base else "/") + sample.text
    certain = sample.exact and entry.certain and (base is None or base.certain)
    if not _PLAIN.fullmatch(whole):
        return None
    return Route(whole, modules.place(path, entry.node), certain)


def _below_page(modules: Modules, view: Term) -> list[Term] | None:
    if isinstance(view.node, ast.Call) and called(view.node) == "include":
        return _included(modules, _argument(view, 0, "arg"))
    # The pages of other objects, such as an API's, need not have one at their root.
    if isinstance(view.node, ast.Attribute) and view.node.attr == "urls":
        return None if ast.unparse(view.node).endswith("site.urls") else []
    return None


def _included(modules: Modules, term: Term) -> list[Term]:
    """The lists of routes that include() is given as a module, by name or itself, or in place."""
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
    # The list of Django's own pages stands in the same form.
    is_consumer = "as_asgi" in text or "onsumer" in text
    return None if is_consumer and not routers else [_routed(router) for router in routers]


def _routers(modules: Modules, view: Term) -> list[Term]:
    """The calls of URLRouter() that `view` is, or that it wraps."""
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
    """The calls of `functions` in the modules `within`, wherever they stand."""
    for module in within:
        path = modules.file(module)
        for call in calls(modules.parse(path), *functions) if path else ():
            yield Term(module, call)


def _argument(term: Term, position: int, *keywords: str) -> Term:
    """An argument of the call `term`; None's expression if it is not given."""
    call = term.node
    if isinstance(call, ast.Call):
        if len(call.args) > position:
            return term.at(call.args[position])
        for keyword in call.keywords:
            if keyword.arg in keywords:
                return term.at(keyword.value)
    return term.at(ast.Constant(None))
