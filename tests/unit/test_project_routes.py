"""Which pages and websockets a project is found to serve, by its URL configuration and routing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from project.findings import routes
from project.source.modules import Modules
from project.source.tree import Tree

Write = Callable[..., Modules]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes modules, each by its name (`__` for a dot), and gives them all."""

    def modules(**texts: str) -> Modules:
        for name, text in texts.items():
            file = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        return Modules(Tree(tmp_path), tmp_path)

    return modules


def pages(modules: Modules) -> list[str]:
    return [route.path for route in routes.pages(modules, "urls")]


def sockets(modules: Modules) -> list[str]:
    return [route.path for route in routes.websockets(modules, "asgi")]


# Pages


@pytest.mark.parametrize(
    "included",
    [
        'include([path("health/", view)])',
        'include(([path("health/", view)], "inner"))',
        "include(listed)",
        "include(pair)",
        'include("inner.urls")',
        'include(("inner.urls", "inner"), namespace="v1")',
        "include(inner.urls)",
        'include(inner_urls, namespace="v1")',
        "include(inner_urls.urlpatterns)",
        "view=include(arg=inner_urls)",
    ],
)
def test_what_is_included_keeps_its_prefix(write: Write, included: str) -> None:
    modules = write(
        urls=(
            "import inner.urls\nfrom inner import urls as inner_urls\n"
            'listed = [path("health/", view)]\npair = (listed, "inner")\n'
            f'urlpatterns = [path("api/v1/", {included}), path("shop/", view)]\n'
        ),
        inner__urls='urlpatterns = [path("health/", view)]\n',
    )
    found = routes.pages(modules, "urls")
    assert [route.path for route in found] == ["/api/v1/health/", "/shop/"]
    health, page = routes.health(found), routes.page(found)
    assert health is not None
    assert page is not None
    assert (health.path, page.path) == ("/api/v1/health/", "/shop/")


def test_of_several_pages_for_health_checks_the_highest_is_taken(write: Write) -> None:
    routed = 'urlpatterns = [path("a/b/health/", view), path("b/health/", view), path("ht/", view)]'
    health = routes.health(routes.pages(write(urls=f"{routed}\n"), "urls"))
    assert health is not None
    assert health.path == "/b/health/"


@pytest.mark.parametrize("prefix", ["settings.PREFIX", 'f"{PREFIX}/"', '_("api/")'])
def test_nothing_is_told_below_a_prefix_that_is_unknown(write: Write, prefix: str) -> None:
    urls = f'urlpatterns = [path({prefix}, include([path("health/", view)]))]\n'
    assert pages(write(urls=urls)) == []


@pytest.mark.parametrize("view", ["include(router.urls)", "router.urls", "include(routes())"])
def test_what_only_running_would_tell_is_left_out(write: Write, view: str) -> None:
    urls = f'router = Router()\nurlpatterns = [path("api/", {view}), path("shop/", view)]\n'
    assert pages(write(urls=urls)) == ["/shop/"]


def test_the_administration_is_at_its_root(write: Write) -> None:
    assert pages(write(urls='urlpatterns = [path("staff/", admin.site.urls)]\n')) == ["/staff/"]


@pytest.mark.parametrize(
    "change",
    [
        'urlpatterns += [path("health/", view)]',
        'urlpatterns = urlpatterns + [path("health/", view)]',
        'urlpatterns = [*urlpatterns, path("health/", view)]',
        'urlpatterns += i18n_patterns(path("health/", view))',
    ],
)
def test_what_is_added_to_the_pages_is_found(write: Write, change: str) -> None:
    modules = write(urls=f'urlpatterns = [path("", view)]\n{change}\n')
    assert pages(modules) == ["/", "/health/"]


def test_pages_that_move_below_a_prefix_are_left_there_alone(write: Write) -> None:
    change = 'urlpatterns = [path("site/", include(urlpatterns))]'
    assert pages(write(urls=f'urlpatterns = [path("health/", view)]\n{change}\n')) == [
        "/site/health/"
    ]


def test_a_page_that_a_condition_decides_about_is_not_asked_for(write: Write) -> None:
    urls = 'urlpatterns = []\nif TOOLS:\n    urlpatterns += [path("health/", view)]\n'
    found = routes.pages(write(urls=urls), "urls")
    assert (routes.health(found), routes.page(found)) == (None, None)


def test_urls_that_include_themselves_end(write: Write) -> None:
    modules = write(
        urls='urlpatterns = [path("a/", include("more")), path("b/", view)]\n',
        more='from urls import *\nurlpatterns += [path("c/", include("urls"))]\n',
    )
    assert "/b/" in pages(modules)


def test_a_page_is_the_same_with_or_without_its_last_slash(write: Write) -> None:
    found = routes.pages(write(urls='urlpatterns = [re_path(r"^health/?$", view)]\n'), "urls")
    health = routes.health(found)
    assert health
    assert health.path == "/health"


@pytest.mark.parametrize("route", ['path("/ws/"', 're_path("^/ws/$"', 'path("a b/"'])
def test_a_path_that_would_be_asked_for_in_another_form_is_left_out(
    write: Write, route: str
) -> None:
    assert pages(write(urls=f"urlpatterns = [{route}, view)]\n")) == []


# Websockets


ROUTING = 'websocket_urlpatterns = [path("chat/<int:number>/", Chat.as_asgi())]\n'


@pytest.mark.parametrize(
    "view",
    [
        'URLRouter([path("chat/<int:number>/", Chat.as_asgi())])',
        "URLRouter(websocket_urlpatterns)",
        "URLRouter(routes=websocket_urlpatterns)",
        "URLRouter(aliased)",
        "URLRouter(chat.routing.websocket_urlpatterns)",
        "URLRouter(routing.websocket_urlpatterns)",
        "AuthMiddlewareStack(URLRouter(websocket_urlpatterns))",
        "router",
        "AuthMiddlewareStack(routing.router)",
    ],
)
@pytest.mark.parametrize("routed", ["in place", "by name"])
def test_a_router_below_a_path_keeps_its_prefix(write: Write, view: str, routed: str) -> None:
    inner = f'[path("ws/", {view})]'
    modules = write(
        asgi=(
            "import chat.routing\nfrom chat import routing\nfrom chat.routing import *\n"
            "from chat.routing import websocket_urlpatterns as aliased\n"
            f"outer = {inner}\n"
            'application = ProtocolTypeRouter({"websocket": AuthMiddlewareStack('
            f"URLRouter({inner if routed == 'in place' else 'outer'}))}})\n"
        ),
        chat__routing=ROUTING + "router = URLRouter(websocket_urlpatterns)\n",
    )
    assert sockets(modules) == ["/ws/chat/1/"]


def test_a_router_below_a_path_that_is_unknown_is_not_taken_for_the_first(write: Write) -> None:
    modules = write(
        asgi="import chat.routing\napplication = URLRouter([path(PREFIX, chat.routing.router)])\n",
        chat__routing=ROUTING + "router = URLRouter(websocket_urlpatterns)\n",
    )
    assert sockets(modules) == []


LIST = "websocket_urlpatterns"
ONE = 'path("ws/one/", One.as_asgi())'
TWO = 'path("ws/two/", Two.as_asgi())'


@pytest.mark.parametrize(
    "routing",
    [
        f"if LIVE:\n    {LIST} = [{ONE}, {TWO}]",
        f"if LIVE:\n    {LIST} = [{ONE}]\nelse:\n    {LIST} = [{TWO}]",
        f"try:\n    {LIST} = [{ONE}, {TWO}]\nexcept ImportError:\n    pass",
        f"{LIST}: list = [{ONE}, {TWO}]",
        f"{LIST} = ({ONE}, {TWO})",
        f"{LIST} = [{ONE}] + [{TWO}]",
        f"more = [{TWO}]\n{LIST} = [{ONE}] + more",
        f"more = [{TWO}]\n{LIST} = [{ONE}, *more]",
        f"{LIST} = [{ONE}]\n{LIST} += [{TWO}]",
        f"{LIST} = []\n{LIST} += ({ONE}, {TWO})",
    ],
)
def test_websockets_are_found_in_every_form_of_a_list(write: Write, routing: str) -> None:
    modules = write(
        asgi="from routing import websocket_urlpatterns\n"
        "application = URLRouter(websocket_urlpatterns)\n",
        routing=f"{routing}\n",
    )
    assert sockets(modules) == ["/ws/one/", "/ws/two/"]


def test_websockets_of_several_apps_are_found(write: Write) -> None:
    modules = write(
        asgi="import one.routing, two.routing\n"
        "application = URLRouter(one.routing.sockets + two.routing.sockets)\n",
        one__routing=f"sockets = [{ONE}]\n",
        two__routing=f"from one import routing\nsockets = [{TWO}]\n",
    )
    assert sockets(modules) == ["/ws/one/", "/ws/two/"]


def test_a_websocket_whose_pattern_has_no_sample_is_left_out(write: Write) -> None:
    twice = r're_path(r"^ws/(?P<a>\w+)/(?P=a)/$", Twice.as_asgi())'
    either = 're_path(r"^/?ws/(?P<t>(a|b))/$", Either.as_asgi())'
    assert sockets(write(asgi=f"application = URLRouter([{twice}, {either}])\n")) == ["/ws/a/"]
