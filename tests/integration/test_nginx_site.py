"""site.conf, as the real nginx obeys it."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.nginx_process import Nginx, ask_on
from integration.upstream import Request, Upstream
from laurel import port, templates
from laurel.process import sockets
from laurel.settings import Settings

SECRET = "what nobody may read"  # in files that are not to be served
HASHED = "chat/chat.0123456789ab.js"
WEBSOCKET = [("Upgrade", "websocket"), ("Connection", "Upgrade")]


class Site:
    """nginx, the upstreams it balances over, and the one that it falls back on.

    `processes` are those of all groups, in order.
    """

    def __init__(
        self, nginx: Nginx, processes: list[Upstream], shared: Upstream, text: str
    ) -> None:
        self.nginx = nginx
        self.processes = processes
        self.shared = shared
        self.text = text
        self.ask = nginx.ask

    @property
    def requests(self) -> list[Request]:
        """What all upstreams were asked."""
        return [request for one in [*self.processes, self.shared] for request in one.requests]

    def seen(self, *arguments: object, **options: object) -> Request:
        """The one request that an upstream gets when nginx is asked so."""
        before = len(self.requests)
        answer = self.ask(*arguments, **options)  # type: ignore[arg-type]
        assert answer.status == 200
        assert len(self.requests) == before + 1
        return max(self.requests, key=lambda request: request.number)


MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(
    tmp_path: Path,
    machine_files: Path,
    nginx_binary: str,
    make_settings: Callable[..., Settings],
) -> Iterator[MakeSite]:
    """Starts nginx with three upstreams of each server, with the settings that are given.

    `drained` are the sockets to leave out, `edit` exchanges parts of the site.conf,
    `start=False` starts neither nginx nor an upstream.
    """
    template = (machine_files / "etc/nginx/sites-available/site.conf").read_text()
    made: list[Site] = []

    def make(
        drained: frozenset[str] = frozenset(),
        edit: Callable[[str], str] = lambda text: text,
        start: bool = True,
        **values: str | int,
    ) -> Site:
        settings = make_settings(**values)
        shared = Upstream("shared", ("127.0.0.1", 0)).start()
        processes = [
            Upstream(Path(path).stem, tmp_path / Path(path).name) for path in sockets(settings)
        ]
        text = edit(templates.render(template, settings, drained))
        backup_port = shared.port if port.address(settings) else None
        nginx = Nginx(nginx_binary, tmp_path, text, backup_port)
        site = Site(nginx, processes, shared, text)
        made.append(site)
        if start:
            for upstream in processes:
                upstream.start()
            nginx.start()
        return site

    yield make
    for site in made:
        for upstream in [*site.processes, site.shared]:
            upstream.gate.set()
        site.nginx.stop()
        for upstream in [*site.processes, site.shared]:
            upstream.kill()


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """The site with its default settings, and files beside public/ that are secret."""
    return make_site()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release as provisioning lays it out, with secrets in its code."""
    folder = tmp_path / "release"
    for name in (HASHED, "chat/chat.js"):
        path = folder / "public" / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    for place in (folder, folder / "app"):
        place.mkdir(exist_ok=True)
        for name in (".env", "db.sqlite3", "manage.py"):
            (place / name).write_text(SECRET)
    return folder


# The file itself


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"processes": 1},
        {"processes": 1024},
        {"TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,2001:db8::/32 ::1"},
        {"SITE_HOSTS": "example.org,www.example.org .example.net"},
        {"MAX_BODY": "1g"},
        {"drained": frozenset({"/run/daphne/daphne0.sock", "/run/daphne/daphne2.sock"})},
        {"ASGI_SERVER": "uvicorn"},
        {"HTTP_SERVER": "gunicorn"},
        {"HTTP_SERVER": "gunicorn", "ASGI_SERVER": "granian", "processes": 1024},
        {"HTTP_SERVER": "gunicorn", "ASGI_PATHS": "/poll/,/a-b/c.d/~me/x+y@z%", "MEDIA_URL": "/m/"},
        # Twice, long, or a word of nginx's own: a table of names would be refused.
        {"HTTP_SERVER": "gunicorn", "ASGI_HOSTS": "a.example,A.example .a.example default include"},
        {"HTTP_SERVER": "gunicorn", "ASGI_HOSTS": f"{'long-' * 12}name.{'b' * 60}.example,[::1]"},
    ],
    ids=lambda values: " ".join(values) or "defaults",
)
def test_nginx_takes_the_file_without_a_warning(
    make_site: MakeSite, values: dict[str, str]
) -> None:
    nginx = make_site(start=False, **values).nginx
    checked = nginx.check()
    assert checked.returncode == 0, checked.stderr
    conf = nginx.folder / "nginx.conf"
    assert checked.stderr.splitlines() == [
        f"nginx: the configuration file {conf} syntax is ok",
        f"nginx: configuration file {conf} test is successful",
    ]


# What the application is told


def test_host_keeps_its_port(site: Site) -> None:
    request = site.seen(host="example.org:8080")
    assert request.header("Host") == "example.org:8080"
    assert request.header("X-Forwarded-Host") == "example.org:8080"


def test_a_forwarded_host_of_the_client_is_replaced(site: Site) -> None:
    request = site.seen(host="example.org", headers=[("X-Forwarded-Host", "evil.example")])
    assert request.header("X-Forwarded-Host") == "example.org"


def test_the_address_of_the_client_arrives_alone(site: Site) -> None:
    request = site.seen(headers=[("X-Forwarded-For", "203.0.113.7"), ("X-Real-IP", "203.0.113.7")])
    assert request.header("X-Forwarded-For") == "127.0.0.1"
    assert request.header("X-Real-IP") == "127.0.0.1"


@pytest.mark.parametrize(
    "name",
    [
        *("X-Forwarded-Port", "Forwarded", "Daphne-Root-Path"),
        # Of gunicorn's secure_scheme_headers: it says 400 where one contradicts X-Forwarded-Proto.
        *("X-Forwarded-Protocol", "X-Forwarded-Ssl"),
    ],
)
@pytest.mark.parametrize("proxies", ["", "127.0.0.1"], ids=["untrusted", "trusted"])
@pytest.mark.parametrize("server", ["same", "gunicorn"])
def test_a_header_that_a_server_would_believe_is_kept_from_it(
    make_site: MakeSite, name: str, proxies: str, server: str
) -> None:
    site = make_site(TRUSTED_PROXIES=proxies, HTTP_SERVER=server)
    request = site.seen(headers=[(name, "4711"), ("X-Other", "yes")])
    assert request.header(name) is None
    assert request.header("X-Other") == "yes"


@pytest.mark.parametrize(
    "name", ["X_Forwarded_For", "X_Forwarded_Proto", "Daphne_Root_Path", "SCRIPT_NAME", "PATH_INFO"]
)
@pytest.mark.parametrize("server", ["same", "gunicorn"])
def test_underscores_are_no_way_around(make_site: MakeSite, name: str, server: str) -> None:
    site = make_site(HTTP_SERVER=server)
    assert site.seen(headers=[(name, "203.0.113.7")]).header(name) is None


@pytest.mark.parametrize("proxies", ["", "192.0.2.1,10.0.0.0/8"])
def test_the_scheme_is_the_real_one_whatever_a_client_says(
    make_site: MakeSite, proxies: str
) -> None:
    site = make_site(TRUSTED_PROXIES=proxies)
    assert site.seen().header("X-Forwarded-Proto") == "http"
    claims = [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "10.0.0.1")]
    assert site.seen(headers=claims).header("X-Forwarded-Proto") == "http"


@pytest.mark.parametrize("proxies", ["127.0.0.1", "192.0.2.1, 127.0.0.0/8"])
def test_a_trusted_proxy_says_the_scheme_and_the_address(make_site: MakeSite, proxies: str) -> None:
    request = make_site(TRUSTED_PROXIES=proxies).seen(
        headers=[("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.7")]
    )
    assert request.header("X-Forwarded-Proto") == "https"
    assert request.header("X-Forwarded-For") == "203.0.113.7"
    assert request.header("X-Real-IP") == "203.0.113.7"


def test_a_trusted_proxy_that_says_no_scheme_leaves_the_real_one(make_site: MakeSite) -> None:
    site = make_site(TRUSTED_PROXIES="127.0.0.1")
    assert site.seen().header("X-Forwarded-Proto") == "http"
    odd = site.seen(headers=[("X-Forwarded-Proto", "gopher")])
    assert odd.header("X-Forwarded-Proto") == "http"


def test_what_a_client_told_a_trusted_proxy_is_not_believed(make_site: MakeSite) -> None:
    chain = [("X-Forwarded-For", "198.51.100.66, 203.0.113.7, 10.0.0.1")]
    site = make_site(TRUSTED_PROXIES="127.0.0.1 10.0.0.0/8")
    assert site.seen(headers=chain).header("X-Forwarded-For") == "203.0.113.7"


# Upgrades and connections


@pytest.mark.parametrize("written", ["websocket", "WebSocket", "WEBSOCKET"])
@pytest.mark.parametrize("server", ["same", "gunicorn"])
def test_a_websocket_is_upgraded_however_it_is_written(
    make_site: MakeSite, written: str, server: str
) -> None:
    site = make_site(HTTP_SERVER=server)
    with _websocket(site, written) as client:
        client.sendall(b"there and back")
        assert _until(client, b"back") == b"there and back"
    (request,) = site.requests
    assert request.upstream.startswith("daphne")
    assert request.header("Upgrade") == "websocket"
    assert request.header("Connection") == "upgrade"
    assert request.header("Sec-WebSocket-Key") == "k"
    assert request.header("X-Forwarded-For") == "127.0.0.1"
    assert request.header("X-Forwarded-Proto") == "http"


def test_a_silent_websocket_outlives_a_page_that_hangs(make_site: MakeSite) -> None:
    """Waits for 3 s: nginx's own limit would be a minute, and not every server pings."""
    site = make_site(
        processes=1,
        edit=lambda text: text.replace("server {", "server { proxy_read_timeout 1s;"),
    )
    with _websocket(site) as client:
        assert site.ask("/hold").status == 504
        time.sleep(1)
        client.sendall(b"there and back")
        assert _until(client, b"back") == b"there and back"


@pytest.mark.parametrize("server", ["same", "gunicorn"])
def test_a_websocket_of_a_site_that_is_starting_is_told_to_come_back(
    make_site: MakeSite, server: str
) -> None:
    site = make_site(HTTP_SERVER=server)
    for upstream in [*site.processes, site.shared]:
        upstream.kill()
    answer = site.ask(headers=WEBSOCKET)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize("written", ["h2c", "TLS/1.0", "websocket2", "h2c, websocket"])
def test_nothing_else_is_upgraded(site: Site, written: str) -> None:
    request = site.seen(headers=[("Upgrade", written), ("Connection", "Upgrade")])
    assert request.header("Upgrade") is None
    assert request.header("Connection") is None


def test_plain_requests_share_the_connections_to_the_upstreams(site: Site) -> None:
    client = http.client.HTTPConnection("127.0.0.1", site.nginx.port, timeout=20)
    for _ in range(12):
        assert ask_on(client, "/").status == 200
    client.close()
    used = {(request.upstream, request.connection) for request in site.requests}
    assert len(used) == len(site.processes)


def test_an_idle_connection_is_closed_before_a_server_does(make_site: MakeSite) -> None:
    """Waits for 4 s: a POST on a connection that a server is about to close would be lost."""
    site = make_site(HTTP_SERVER="gunicorn", ASGI_PATHS="/poll/")
    assert {site.ask(target).status for target in ("/", "/poll/")} == {200}
    asked = [one for one in site.processes if one.requests]
    assert [one.open_connections for one in asked] == [1, 1]
    idle_since = time.monotonic()
    _wait_until(lambda: not any(one.open_connections for one in asked))
    assert time.monotonic() - idle_since < 4.9  # uvicorn and hypercorn: 5 s


# Which process is asked


def hold(site: Site, count: int) -> list[threading.Thread]:
    """Clients with one open request each, which the upstreams have got."""
    clients = [threading.Thread(target=site.ask, args=("/hold",)) for _ in range(count)]
    for number, client in enumerate(clients, start=1):
        client.start()
        _wait_until(lambda number=number: len(site.requests) == number)  # type: ignore[misc]
    return clients


def release_all(site: Site, clients: list[threading.Thread]) -> None:
    for process in site.processes:
        process.gate.set()
    for client in clients:
        client.join(20)


def test_open_requests_are_spread_evenly(site: Site) -> None:
    clients = hold(site, 12)
    assert [len(process.requests) for process in site.processes] == [4, 4, 4]
    release_all(site, clients)


def test_the_process_with_the_fewest_open_requests_is_asked(site: Site) -> None:
    clients = hold(site, 3)
    site.processes[1].gate.set()
    _wait_until(lambda: sum(client.is_alive() for client in clients) == 2)
    assert [site.ask().upstream for _ in range(6)] == ["daphne1"] * 6
    release_all(site, clients)


def test_the_shared_socket_is_left_alone_while_one_process_lives(site: Site) -> None:
    site.processes[0].kill()
    site.processes[2].kill()
    answers = [site.ask() for _ in range(10)]
    assert {answer.upstream for answer in answers} == {"daphne1"}
    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_shared_socket_is_asked_when_no_process_lives(make_site: MakeSite, method: str) -> None:
    site = make_site()
    for one in site.processes:
        one.kill()
    body = b"once" if method == "POST" else None
    for _ in range(3):
        answer = site.ask("/room", method, body=body)
        assert (answer.status, answer.upstream) == (200, "shared")
    assert [request.body for request in site.shared.requests] == [body or b""] * 3


def test_a_process_that_was_killed_costs_no_answer_and_is_asked_as_soon_as_it_is_back(
    site: Site,
) -> None:
    for _ in range(6):
        assert site.ask().status == 200
    one = site.processes[1]
    one.kill()
    while_dead = [site.ask() for _ in range(12)]
    assert {answer.status for answer in while_dead} == {200}
    assert {answer.upstream for answer in while_dead} == {"daphne0", "daphne2"}
    one.start()
    assert "daphne1" in {site.ask().upstream for _ in range(6)}


def test_a_drained_process_gets_no_new_request(make_site: MakeSite) -> None:
    site = make_site(drained=frozenset({"/run/daphne/daphne1.sock"}))
    assert {site.ask().upstream for _ in range(12)} == {"daphne0", "daphne2"}


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_server_that_shares_no_socket_has_no_backup(
    make_site: MakeSite, server: str, method: str
) -> None:
    site = make_site(ASGI_SERVER=server)
    assert "8000" not in site.text
    assert not [line for line in site.text.splitlines() if line.endswith(" backup;")]
    names = {f"{server}{number}" for number in range(3)}
    assert {site.ask("/", method, body=b"x").upstream for _ in range(6)} == names
    for one in site.processes:
        one.kill()
    answer = site.ask("/", method, body=b"x")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert site.shared.requests == []


def test_the_shared_socket_is_where_the_settings_say(
    make_settings: Callable[..., Settings],
) -> None:
    line = "    @if SHARED_SOCKET@\n    server @SHARED_SOCKET@ backup max_fails=0;\n    @end@\n"
    elsewhere = {"BIND_ADDRESS": "10.0.0.7", "BIND_PORT": "8123"}
    for server in ("daphne", "hypercorn"):
        found = templates.render(line, make_settings(ASGI_SERVER=server, **elsewhere))
        assert found == "    server 10.0.0.7:8123 backup max_fails=0;\n"
    for server in ("uvicorn", "granian"):
        found = templates.render(line, make_settings(ASGI_SERVER=server, **elsewhere))
        assert found == "\n"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_site_that_is_starting_says_so_and_when_to_come_back(site: Site, method: str) -> None:
    for upstream in [*site.processes, site.shared]:
        upstream.kill()
    for _ in range(10):
        answer = site.ask("/room", method, body=b"x" if method == "POST" else None)
        assert answer.status == 503
        assert answer.headers["retry-after"] == "5"
        assert b"starting" in answer.body


@pytest.mark.parametrize("status", [404, 500, 502, 503])
def test_an_error_of_the_application_is_its_own(site: Site, status: int) -> None:
    answer = site.ask(f"/status/{status}")
    assert answer.status == status
    assert answer.upstream
    assert "retry-after" not in answer.headers


# Plain HTTP by a server of its own


GUNICORN = {f"gunicorn{number}" for number in range(3)}
DAPHNE = {f"daphne{number}" for number in range(3)}


@pytest.fixture
def split(make_site: MakeSite) -> Site:
    """A site that gunicorn serves, but for some paths and names."""
    return make_site(
        HTTP_SERVER="gunicorn",
        ASGI_PATHS="/poll/,/v1.0/sse",
        ASGI_HOSTS="live.example.org,.stream.example,10.0.0.7",
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_plain_requests_go_to_gunicorn(split: Site, method: str) -> None:
    body = b"x" if method == "POST" else None
    assert {split.ask("/room", method, body=body).upstream for _ in range(12)} == GUNICORN


def test_websockets_go_to_the_asgi_server(split: Site) -> None:
    for _ in range(6):
        with _websocket(split, path="/room"):
            pass
    assert {request.upstream for request in split.requests} == DAPHNE


@pytest.mark.parametrize("target", ["/poll/", "/poll/7?after=3", "/v1.0/sse", "/v1.0/sse-too"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paths_that_begin_so_go_to_the_asgi_server(split: Site, target: str, method: str) -> None:
    body = b"x" if method == "POST" else None
    assert {split.ask(target, method, body=body).upstream for _ in range(6)} <= DAPHNE
    assert {request.target for request in split.requests} == {target}


@pytest.mark.parametrize("target", ["/", "/poll", "/Poll/", "/a/poll/", "/v1x0/sse", "/?/poll/"])
def test_other_paths_do_not(split: Site, target: str) -> None:
    assert {split.ask(target).upstream for _ in range(6)} <= GUNICORN


@pytest.mark.parametrize("target", ["//poll/", "/x/../poll/", "/%70oll/7"])
def test_a_path_is_what_the_application_takes_it_for(split: Site, target: str) -> None:
    assert split.ask(target).upstream in DAPHNE


@pytest.mark.parametrize(
    "host",
    [
        *("live.example.org", "LIVE.example.org", "live.example.org:8080", "live.example.org."),
        *("stream.example", "a.b.stream.example", "10.0.0.7:80"),
    ],
)
def test_names_of_the_asgi_server_go_there(split: Site, host: str) -> None:
    assert {split.ask(host=host).upstream for _ in range(6)} <= DAPHNE
    assert {request.header("Host") for request in split.requests} == {host}


@pytest.mark.parametrize(
    "host",
    [
        *(
            "example.org",
            "xlive.example.org",
            "live.example.org.evil.example",
            "a.live.example.org",
        ),
        *("xstream.example", "live-example.org", "110.0.0.7"),
    ],
)
def test_other_names_do_not(split: Site, host: str) -> None:
    assert {split.ask(host=host).upstream for _ in range(6)} <= GUNICORN


def test_neither_header_nor_body_depends_on_who_serves(make_site: MakeSite) -> None:
    headers = [("X-Other", "yes"), ("Cookie", "a=1; b=2"), ("X-Forwarded-For", "203.0.113.7")]

    def asked(target: str, **values: str) -> tuple[object, ...]:
        site = make_site(**values)
        request = site.seen(target, "POST", headers=headers, body=b"\x00body", host="a.example:81")
        site.nginx.stop()
        for upstream in [*site.processes, site.shared]:
            upstream.kill()
        return request.upstream[:6], request.method, request.headers, request.body

    by_daphne = asked("/poll/")
    by_gunicorn = asked("/poll/", HTTP_SERVER="gunicorn")
    still_by_daphne = asked("/poll/", HTTP_SERVER="gunicorn", ASGI_PATHS="/poll/")
    assert [by_daphne[0], by_gunicorn[0], still_by_daphne[0]] == ["daphne", "gunico", "daphne"]
    assert by_daphne[1:] == by_gunicorn[1:] == still_by_daphne[1:]
    assert by_gunicorn[3] == b"\x00body"


@pytest.mark.parametrize("server", ["gunicorn", "daphne"])
def test_a_drained_process_of_one_of_both_servers_gets_no_new_request(
    make_site: MakeSite, server: str
) -> None:
    drained = frozenset({f"/run/daphne/{server}1.sock"})
    site = make_site(HTTP_SERVER="gunicorn", ASGI_PATHS="/poll/", drained=drained)
    found = {site.ask(target).upstream for target in ("/", "/poll/") for _ in range(12)}
    assert found == (GUNICORN | DAPHNE) - {f"{server}1"}


def test_open_requests_are_spread_evenly_over_gunicorn(split: Site) -> None:
    clients = hold(split, 12)
    assert [len(one.requests) for one in split.processes] == [0, 0, 0, 4, 4, 4]
    release_all(split, clients)


def test_a_gunicorn_that_was_killed_costs_no_answer(split: Site) -> None:
    split.processes[4].kill()
    answers = [split.ask() for _ in range(12)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.upstream for answer in answers} == {"gunicorn0", "gunicorn2"}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_where_no_gunicorn_lives_a_page_is_told_to_come_back_and_a_websocket_opens(
    split: Site, method: str
) -> None:
    for one in split.processes[3:]:
        one.kill()
    answer = split.ask("/room", method, body=b"x" if method == "POST" else None)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert split.requests == []
    with _websocket(split) as client:
        client.sendall(b"back")
        assert _until(client, b"back") == b"back"


def test_the_shared_socket_is_the_asgi_servers_alone(split: Site) -> None:
    for one in split.processes[:3]:
        one.kill()
    assert split.ask("/poll/").upstream == "shared"
    assert split.ask("/room").upstream in GUNICORN


def test_nothing_is_chosen_where_one_server_does_it_all(make_site: MakeSite) -> None:
    site = make_site(start=False, ASGI_PATHS="/poll/", ASGI_HOSTS="live.example.org")
    for word in ("site_backend", "http-backend", "asgi_path", "asgi_host", "gunicorn", "poll"):
        assert word not in site.text
    assert site.text.count("proxy_pass http://channels-backend;") == 2  # pages, websockets
    assert "server_name live.example.org _;" in site.text


# What nginx serves from the disk


def test_a_static_file_with_a_hash_in_its_name_is_cached_for_good(
    site: Site, release: Path
) -> None:
    answer = site.ask(f"/static/{HASHED}")
    assert answer.body == (release / "public" / "static" / HASHED).read_bytes()
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert site.requests == []


def test_any_other_static_file_is_asked_for_again(site: Site, release: Path) -> None:
    answer = site.ask("/static/chat/chat.js")
    assert answer.body == (release / "public/static/chat/chat.js").read_bytes()
    assert answer.headers["cache-control"] == "no-cache"
    known = [("If-None-Match", answer.headers["etag"])]
    again = site.ask("/static/chat/chat.js", headers=known)
    assert again.status == 304
    assert site.requests == []


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize("target", ["/static/gone.js", "/static/", "/static/chat/", "/static/.env"])
def test_a_static_file_that_is_missing_is_not_asked_of_the_application(
    site: Site, target: str
) -> None:
    answer = site.ask(target)
    assert answer.status == 404
    assert "cache-control" not in answer.headers
    assert site.requests == []


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize(
    "target",
    [
        "/.env",
        "/db.sqlite3",
        "/manage.py",
        "/app/manage.py",
        "/app/.env",
        "/../.env",
        "/../app/manage.py",
        "/static/../../.env",
        "/static/../app/manage.py",
        "/static../app/manage.py",
        "/..%2fapp/manage.py",
        "/%2e%2e/app/manage.py",
        "/static/%2e%2e/%2e%2e/app/manage.py",
        "/static/..%2f..%2fapp%2fmanage.py",
        "/static/..%252f..%252fapp/manage.py",
        "//../app/manage.py",
        "/static/..\\..\\app\\manage.py",
        "/static/chat/chat.js/../../../../app/manage.py",
    ],
)
def test_code_and_data_are_never_served(site: Site, target: str) -> None:
    answer = site.ask(target)
    assert SECRET.encode() not in answer.body
    assert answer.upstream or answer.status in (400, 404)


# Bodies


def test_a_body_may_be_as_large_as_the_setting_says(make_site: MakeSite) -> None:
    assert len(make_site(MAX_BODY="1k").seen("/", "POST", body=b"x" * 1024).body) == 1024


def test_a_larger_body_is_refused(make_site: MakeSite) -> None:
    site = make_site(MAX_BODY="1k")
    assert site.ask("/", "POST", body=b"x" * 1025).status == 413
    assert site.requests == []


@contextmanager
def _websocket(
    site: Site, written: str = "websocket", path: str = "/ws/"
) -> Iterator[socket.socket]:
    """A client whose connection was upgraded."""
    with socket.create_connection(("127.0.0.1", site.nginx.port), timeout=20) as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: {written}\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: k\r\n\r\n".encode()
        )
        assert _until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        yield client


def _until(client: socket.socket, end: bytes) -> bytes:
    """What `client` gets, up to `end`."""
    found = b""
    while not found.endswith(end):
        data = client.recv(1000)
        assert data, f"cut after {found!r}"
        found += data
    return found


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
