"""Which pages and websockets are found in a URL configuration and a routing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from project.findings import pattern, routes
from project.source.modules import Modules
from project.source.tree import Tree

Write = Callable[..., Modules]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes modules by name (`__` for a dot)."""

    def modules(**texts: str) -> Modules:
        for name, text in texts.items():
            file = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{text}\n")
        return Modules(Tree(tmp_path), tmp_path)

    return modules


def pages(modules: Modules) -> list[str]:
    return [route.path for route in routes.pages(modules, "urls")]


def sockets(modules: Modules) -> list[str]:
    return [route.path for route in routes.websockets(modules, "asgi")]


@pytest.mark.parametrize(
    ("regex", "sample", "exact"),
    [
        (r"^a\.b/?\Z", "a.b", True),
        (r"^/?ws/(?P<room>\w+)/$", "ws/laurel/", False),
        (r"^ws/(?P<n>\d+)/(?P<year>[0-9]{4})/$", "ws/1/1111/", False),
        (r"^(?P<t>(a|b))/[0-9a-f-]{36}$", "a/00000000-0000-4000-8000-000000000000", False),
        (r"^ws/(?P<code>[A-Z]{3})/(?:v\d)?$", "ws/AAA/", False),
        (r"^ws/(?P<rest>.*)$", "ws/laurel", False),
        *((regex, None, None) for regex in (r"^(?P<a>\w+)/(?P=a)/$", r"^(?!x)\w+/$", "^(ws/$")),
    ],
)
def test_sample_matches_its_regular_expression(
    regex: str, sample: str | None, exact: bool | None
) -> None:
    found = pattern.of_regex(regex)
    assert (found and found.text, found and found.exact) == (sample, exact)


def test_only_djangos_converters_have_samples() -> None:
    assert pattern.of_path("ws/<yyyy:year>/") is None
    assert pattern.of_path("ws/<uuid:id>/<slug:name>/<room>/") == pattern.Sample(
        "ws/00000000-0000-4000-8000-000000000000/laurel/laurel/", False
    )


@pytest.mark.parametrize(
    "included",
    [
        "include(pair)",
        'include(("inner.urls", "inner"), namespace="v1")',
        "include(inner.urls)",
        "view=include(arg=inner_urls)",
    ],
)
def test_included_pages_keep_their_prefix(write: Write, included: str) -> None:
    modules = write(
        urls=(
            "import inner.urls\nfrom inner import urls as inner_urls\n"
            'pair = ([path("health/", view)], "inner")\n'
            f'urlpatterns = [path("v1/", {included}), path("shop/", view)]\n'
        ),
        inner__urls='urlpatterns = [path("health/", view)]\n',
    )
    found = routes.pages(modules, "urls")
    assert [route.path for route in found] == ["/v1/health/", "/shop/"]
    assert (routes.health(found), routes.page(found)) == tuple(found)


@pytest.mark.parametrize(
    ("urls", "found", "health"),
    [
        (
            'urlpatterns = [path("ht/", v), path("a/b/health/", v), re_path("^b/health/?$", v)]',
            ["/ht/", "/a/b/health/", "/b/health"],
            "/b/health",
        ),
        ('urlpatterns = [path(settings.PREFIX, include([path("health/", v)]))]', [], None),
        ('urlpatterns = [path("a/", include(x.urls)), path("b/", v), x()]', ["/b/"], None),
        ('urlpatterns = [path("staff/", admin.site.urls)]', ["/staff/"], None),
        ('urlpatterns = [path("/ws/", v), re_path("^/ws/$", v), path("a b/", v)]', [], None),
        ('urlpatterns = []\nurlpatterns += i18n_patterns(path("ht/", v))', ["/ht/"], "/ht/"),
        (
            'urlpatterns = [path("ht/", v)]\nurlpatterns = [path("a/", include(urlpatterns))]',
            ["/a/ht/"],
            "/a/ht/",
        ),
        ('urlpatterns = []\nif X:\n    urlpatterns = [path("ht/", v)]', ["/ht/"], None),
        ('urlpatterns = [path("a/", include("urls")), path("b/", v)]', ["/b/"], None),
    ],
)
def test_pages_are_found_in_every_form_of_list(
    write: Write, urls: str, found: list[str], health: str | None
) -> None:
    modules = write(urls=urls)
    assert pages(modules) == found
    best = routes.health(routes.pages(modules, "urls"))
    assert (best and best.path) == health


# Websockets

ROUTING = 'patterns = [path("chat/<int:number>/", Chat.as_asgi())]\nrouter = URLRouter(patterns)\n'


@pytest.mark.parametrize(
    ("prefix", "view", "found"),
    [
        ('"ws/"', 'URLRouter([path("chat/<int:n>/", Chat.as_asgi())])', ["/ws/chat/1/"]),
        ('"ws/"', "AuthMiddlewareStack(URLRouter(chat.routing.patterns))", ["/ws/chat/1/"]),
        ('"ws/"', "AuthMiddlewareStack(routing.router)", ["/ws/chat/1/"]),
        ("PREFIX", "routing.router", []),
    ],
)
def test_router_inside_a_route_keeps_its_prefix(
    write: Write, prefix: str, view: str, found: list[str]
) -> None:
    asgi = (
        "import chat.routing\nfrom chat import routing\n"
        f"outer = [path({prefix}, {view})]\n"
        'application = ProtocolTypeRouter({"websocket": AuthMiddlewareStack(URLRouter(outer))})\n'
    )
    assert sockets(write(asgi=asgi, chat__routing=ROUTING)) == found


ONE = 'path("ws/one/", One.as_asgi())'
TWO = 'path("ws/two/", Two.as_asgi())'


@pytest.mark.parametrize(
    "routing",
    [
        f"if LIVE:\n    sockets = [{ONE}]\nelse:\n    sockets = [{TWO}]",
        f"try:\n    sockets: list = [{ONE}, {TWO}]\nexcept ImportError:\n    pass",
        f"import other\nsockets = [{ONE}, *other.sockets]",
        f"sockets = [{ONE}]\nsockets.append({TWO})",
    ],
)
def test_websockets_are_found_in_every_form_of_list(write: Write, routing: str) -> None:
    asgi = "from routing import sockets\napplication = URLRouter(sockets)"
    modules = write(asgi=asgi, routing=routing, other=f"import routing\nsockets = [{TWO}]")
    assert sockets(modules) == ["/ws/one/", "/ws/two/"]
