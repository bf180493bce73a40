"""site.conf, as the real nginx obeys it."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.nginx_process import Answer, Nginx, ask_on
from integration.upstream import Request, Upstream
from laurel import port, templates
from laurel.process import sockets
from laurel.settings import Settings

SECRET = "content of a file that must not be served"
HASHED = "chat/chat.0123456789ab.js"
UPGRADE = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
DAPHNE = {f"daphne{number}" for number in range(3)}
GUNICORN = {f"gunicorn{number}" for number in range(3)}

both_servers = pytest.mark.parametrize("server", ["same", "gunicorn"])
both_methods = pytest.mark.parametrize("method", ["GET", "POST"])


class Site:
    """nginx, the processes it balances over, and the shared socket that it falls back on."""

    def __init__(self, nginx: Nginx, processes: list[Upstream], shared: Upstream) -> None:
        self.nginx = nginx
        self.processes = processes
        self.shared = shared
        self.ask = nginx.ask

    @property
    def upstreams(self) -> list[Upstream]:
        return [*self.processes, self.shared]

    @property
    def requests(self) -> list[Request]:
        """What all upstreams have received."""
        return [request for upstream in self.upstreams for request in upstream.requests]

    def start(self) -> "Site":
        for process in self.processes:
            process.start()
        self.nginx.start()
        return self

    def stop(self) -> None:
        for upstream in self.upstreams:
            upstream.gate.set()
        self.nginx.stop()
        self.kill(*self.upstreams)

    def kill(self, *upstreams: Upstream) -> None:
        for upstream in upstreams:
            upstream.kill()

    def seen(self, *arguments: object, **options: object) -> Request:
        """The one request that an upstream receives for one to nginx."""
        before = len(self.requests)
        assert self.ask(*arguments, **options).status == 200  # type: ignore[arg-type]
        assert len(self.requests) == before + 1
        return max(self.requests, key=lambda request: request.number)

    def send(self, method: str, target: str = "/room") -> Answer:
        """A GET, or a POST with a body."""
        return self.ask(target, method, body=b"x" if method == "POST" else None)

    def answered_by(self, target: str = "/", host: str | None = None) -> set[str | None]:
        """The upstreams that answer several requests."""
        answers = [self.ask(target, host=host) for _ in range(9)]
        assert {answer.status for answer in answers} == {200}
        return {answer.upstream for answer in answers}


MakeSite = Callable[..., Site]


@pytest.fixture
def prepare(
    tmp_path: Path,
    machine_files: Path,
    nginx_binary: str,
    make_settings: Callable[..., Settings],
) -> Iterator[MakeSite]:
    """Makes a site with three processes of each server that does not run yet.

    `drained` are the sockets that get no requests.
    """
    template = (machine_files / "etc/nginx/sites-available/site.conf").read_text()
    made: list[Site] = []

    def make(drained: frozenset[str] = frozenset(), **values: str | int) -> Site:
        settings = make_settings(**values)
        shared = Upstream("shared", ("127.0.0.1", 0)).start()
        processes = [
            Upstream(Path(path).stem, tmp_path / Path(path).name) for path in sockets(settings)
        ]
        backup = shared.port if port.address(settings) else None
        nginx = Nginx(nginx_binary, tmp_path, backup)
        nginx.site.write_text(nginx.runnable(templates.render(template, settings, drained)))
        made.append(Site(nginx, processes, shared))
        return made[-1]

    yield make
    for site in made:
        site.stop()


@pytest.fixture
def make_site(prepare: MakeSite) -> MakeSite:
    """Makes and starts a site."""
    return lambda *arguments, **values: prepare(*arguments, **values).start()


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """The site with its default settings."""
    return make_site()


@pytest.fixture
def split(make_site: MakeSite) -> Site:
    """A site whose plain HTTP gunicorn serves, except for some paths and names."""
    return make_site(
        HTTP_SERVER="gunicorn",
        ASGI_PATHS="/poll/,/v1.0/sse",
        ASGI_HOSTS="live.example.org,.stream.example,10.0.0.7",
    )


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release as provisioning lays it out, with secrets beside public/."""
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


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"processes": 1024, "HTTP_SERVER": "gunicorn", "ASGI_SERVER": "granian"},
        {"TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,2001:db8::/32 ::1", "MAX_BODY": "1g"},
        {"SITE_HOSTS": "example.org,www.example.org .example.net"},
        {"drained": frozenset({"/run/daphne/daphne0.sock", "/run/daphne/daphne2.sock"})},
        {"HTTP_SERVER": "gunicorn", "ASGI_PATHS": "/poll/,/a-b/c.d/~me/x+y@z%", "MEDIA_URL": "/m/"},
        # Duplicates, nginx's own words and long names, which a table of names would refuse.
        {"HTTP_SERVER": "gunicorn", "ASGI_HOSTS": "a.example,A.example .a.example default include"},
        {"HTTP_SERVER": "gunicorn", "ASGI_HOSTS": f"{'long-' * 12}name.{'b' * 60}.example,[::1]"},
    ],
    ids=lambda values: " ".join(values) or "defaults",
)
def test_nginx_accepts_the_file_without_a_warning(
    prepare: MakeSite, values: dict[str, str]
) -> None:
    checked = prepare(**values).nginx.check()
    assert checked.returncode == 0, checked.stderr
    assert len(checked.stderr.splitlines()) == 2, checked.stderr  # "syntax is ok", "successful"


# Headers


def test_application_gets_the_real_host_and_client(site: Site) -> None:
    forged = [
        ("X-Forwarded-Host", "evil.example"),
        *((name, "203.0.113.7") for name in ("X-Forwarded-For", "X-Real-IP")),
    ]
    for headers in ([], forged):
        request = site.seen(host="example.org:8080", headers=headers)
        assert request.header("Host") == "example.org:8080"
        assert request.header("X-Forwarded-Host") == "example.org:8080"
        assert request.header("X-Forwarded-For") == "127.0.0.1"
        assert request.header("X-Real-IP") == "127.0.0.1"


@pytest.mark.parametrize("proxies", ["", "127.0.0.1"], ids=["untrusted", "trusted"])
@both_servers
def test_headers_that_a_server_might_trust_are_removed(
    make_site: MakeSite, proxies: str, server: str
) -> None:
    names = [
        *("X-Forwarded-Port", "Forwarded", "Daphne-Root-Path"),
        # gunicorn answers 400 if one contradicts X-Forwarded-Proto (secure_scheme_headers).
        *("X-Forwarded-Protocol", "X-Forwarded-Ssl"),
        # A server may read these as if they had hyphens.
        *("X_Forwarded_For", "X_Forwarded_Proto", "Daphne_Root_Path", "SCRIPT_NAME", "PATH_INFO"),
    ]
    site = make_site(TRUSTED_PROXIES=proxies, HTTP_SERVER=server)
    request = site.seen(headers=[("X-Other", "yes"), *((name, "4711") for name in names)])
    assert [name for name in names if request.header(name) is not None] == []
    assert request.header("X-Other") == "yes"


@pytest.mark.parametrize(
    ("proxies", "forwarded_for", "forwarded_proto", "client", "scheme"),
    [
        ("", "10.0.0.1", "https", "127.0.0.1", "http"),
        ("192.0.2.1,10.0.0.0/8", "10.0.0.1", "https", "127.0.0.1", "http"),
        ("127.0.0.1", "203.0.113.7", "https", "203.0.113.7", "https"),
        ("192.0.2.1, 127.0.0.0/8", "203.0.113.7", "http", "203.0.113.7", "http"),
        ("127.0.0.1", "203.0.113.7", "gopher", "203.0.113.7", "http"),
        ("127.0.0.1", "203.0.113.7", None, "203.0.113.7", "http"),
        # The client's own claim comes first in a chain of proxies.
        (
            "127.0.0.1 10.0.0.0/8",
            "198.51.100.66, 203.0.113.7, 10.0.0.1",
            "https",
            "203.0.113.7",
            "https",
        ),
    ],
)
def test_only_trusted_proxies_set_client_and_scheme(
    make_site: MakeSite,
    proxies: str,
    forwarded_for: str,
    forwarded_proto: str | None,
    client: str,
    scheme: str,
) -> None:
    headers = [("X-Forwarded-For", forwarded_for)]
    if forwarded_proto:
        headers.append(("X-Forwarded-Proto", forwarded_proto))
    request = make_site(TRUSTED_PROXIES=proxies).seen(headers=headers)
    assert request.header("X-Forwarded-For") == request.header("X-Real-IP") == client
    assert request.header("X-Forwarded-Proto") == scheme


# Websockets and connections


@pytest.mark.parametrize("written", ["websocket", "WebSocket"])
@both_servers
def test_websocket_is_upgraded_by_the_asgi_server(
    make_site: MakeSite, written: str, server: str
) -> None:
    site = make_site(HTTP_SERVER=server)
    for _ in range(3):
        with _websocket(site, written) as client:
            client.sendall(b"there and back")
            assert _until(client, b"back") == b"there and back"
    assert {request.upstream for request in site.requests} == DAPHNE
    for request in site.requests:
        assert request.header("Upgrade") == "websocket"
        assert request.header("Connection") == "upgrade"
        assert request.header("Sec-WebSocket-Key") == "k"
        assert request.header("X-Forwarded-For") == "127.0.0.1"
        assert request.header("X-Forwarded-Proto") == "http"


def test_silent_websocket_outlives_a_hung_page(prepare: MakeSite) -> None:
    """Waits for 2 s."""
    site = prepare(processes=1, READ_TIMEOUT="1")
    site.start()
    with _websocket(site) as client:
        assert site.ask("/hold").status == 504
        time.sleep(0.5)
        client.sendall(b"there and back")
        assert _until(client, b"back") == b"there and back"


@pytest.mark.parametrize("written", ["h2c", "TLS/1.0", "websocket2", "h2c, websocket"])
def test_only_websockets_are_upgraded(site: Site, written: str) -> None:
    request = site.seen(headers=[("Upgrade", written), ("Connection", "Upgrade")])
    assert request.header("Upgrade") is None
    assert request.header("Connection") is None


def test_requests_share_the_connections_to_the_upstreams(site: Site) -> None:
    client = http.client.HTTPConnection("127.0.0.1", site.nginx.port, timeout=20)
    for _ in range(12):
        assert ask_on(client, "/").status == 200
    client.close()
    used = {(request.upstream, request.connection) for request in site.requests}
    assert len(used) == len(site.processes)


def test_idle_connection_closes_before_a_server_would(make_site: MakeSite) -> None:
    """Waits for 4 s. A POST on a connection that a server is about to close would be lost."""
    site = make_site(HTTP_SERVER="gunicorn", ASGI_PATHS="/poll/")
    assert {site.ask(target).status for target in ("/", "/poll/")} == {200}
    asked = [process for process in site.processes if process.requests]
    assert [process.open_connections for process in asked] == [1, 1]
    idle_since = time.monotonic()
    _wait_until(lambda: not any(process.open_connections for process in asked))
    assert time.monotonic() - idle_since < 4.9  # uvicorn and hypercorn: 5 s


# Balance


@contextmanager
def held(site: Site, count: int) -> Iterator[list[threading.Thread]]:
    """Clients with one open request each, which the upstreams have received."""
    clients = [threading.Thread(target=site.ask, args=("/hold",)) for _ in range(count)]
    for number, client in enumerate(clients, start=1):
        client.start()
        _wait_until(lambda number=number: len(site.requests) == number)  # type: ignore[misc]
    yield clients
    for process in site.processes:
        process.gate.set()
    for client in clients:
        client.join(20)


@pytest.mark.parametrize(
    ("server", "spread"), [("same", [4, 4, 4]), ("gunicorn", [0] * 3 + [4] * 3)]
)
def test_open_requests_are_spread_evenly(
    make_site: MakeSite, server: str, spread: list[int]
) -> None:
    site = make_site(HTTP_SERVER=server)
    with held(site, 12):
        assert [len(process.requests) for process in site.processes] == spread


def test_process_with_the_fewest_open_requests_is_chosen(site: Site) -> None:
    with held(site, 3) as clients:
        site.processes[1].gate.set()
        _wait_until(lambda: sum(client.is_alive() for client in clients) == 2)
        assert site.answered_by() == {"daphne1"}


@both_servers
def test_killed_process_fails_no_request_and_is_used_once_back(
    make_site: MakeSite, server: str
) -> None:
    site = make_site(HTTP_SERVER=server)
    processes = site.processes[-3:]
    everyone = {process.name for process in processes}
    assert site.answered_by() == everyone
    site.kill(processes[1])
    assert site.answered_by() == everyone - {processes[1].name}
    processes[1].start()
    assert site.answered_by() == everyone
    site.kill(processes[0], processes[2])
    assert site.answered_by() == {processes[1].name}


@pytest.mark.parametrize("server", ["gunicorn", "daphne"])
def test_drained_process_gets_no_new_request(make_site: MakeSite, server: str) -> None:
    drained = frozenset({f"/run/daphne/{server}1.sock"})
    site = make_site(HTTP_SERVER="gunicorn", ASGI_PATHS="/poll/", drained=drained)
    found = site.answered_by("/") | site.answered_by("/poll/")
    assert found == (GUNICORN | DAPHNE) - {f"{server}1"}


@both_methods
def test_shared_socket_is_used_when_no_process_lives(site: Site, method: str) -> None:
    site.kill(*site.processes)
    for _ in range(3):
        assert site.send(method).upstream == "shared"
    assert {request.body for request in site.shared.requests} == {b"x" if method == "POST" else b""}


@both_methods
def test_server_without_shared_socket_has_no_backup(make_site: MakeSite, method: str) -> None:
    site = make_site(ASGI_SERVER="uvicorn")
    assert site.answered_by() == {f"uvicorn{number}" for number in range(3)}
    site.kill(*site.processes)
    answer = site.send(method)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert site.shared.requests == []


@both_servers
@both_methods
def test_starting_site_answers_503_with_retry_after(
    make_site: MakeSite, method: str, server: str
) -> None:
    site = make_site(HTTP_SERVER=server)
    site.kill(*site.upstreams)
    answers = [*(site.send(method) for _ in range(5)), site.ask(headers=UPGRADE)]
    for answer in answers:
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert b"starting" in answer.body


@pytest.mark.parametrize("status", [404, 500, 502, 503])
def test_error_of_the_application_passes_unchanged(site: Site, status: int) -> None:
    answer = site.ask(f"/status/{status}")
    assert answer.status == status
    assert answer.upstream
    assert "retry-after" not in answer.headers


# A server for plain HTTP


@pytest.mark.parametrize(
    ("target", "group"),
    [
        *((target, GUNICORN) for target in ("/", "/room", "/poll", "/Poll/", "/a/poll/")),
        *((target, GUNICORN) for target in ("/v1x0/sse", "/?/poll/")),
        *((target, DAPHNE) for target in ("/poll/", "/poll/7?after=3", "/v1.0/sse-too")),
        # As the application reads them.
        *((target, DAPHNE) for target in ("//poll/", "/x/../poll/", "/%70oll/7")),
    ],
)
def test_paths_choose_the_server(split: Site, target: str, group: set[str]) -> None:
    assert split.answered_by(target) == group
    assert {split.send("POST", target).upstream for _ in range(3)} <= group
    # The upstream's own parser drops a second slash.
    assert {request.target.lstrip("/") for request in split.requests} == {target.lstrip("/")}


@pytest.mark.parametrize(
    ("host", "group"),
    [
        *((host, DAPHNE) for host in ("live.example.org", "LIVE.example.org", "live.example.org.")),
        *((host, DAPHNE) for host in ("live.example.org:8080", "10.0.0.7:80")),
        *((host, DAPHNE) for host in ("stream.example", "a.b.stream.example")),
        *((host, GUNICORN) for host in ("example.org", "xlive.example.org", "110.0.0.7")),
        *((host, GUNICORN) for host in ("live.example.org.evil.example", "a.live.example.org")),
        *((host, GUNICORN) for host in ("xstream.example", "live-example.org")),
    ],
)
def test_hosts_choose_the_server(split: Site, host: str, group: set[str]) -> None:
    assert split.answered_by(host=host) == group
    assert {request.header("Host") for request in split.requests} == {host}


def test_both_servers_get_the_same_headers_and_body(make_site: MakeSite) -> None:
    headers = [("X-Other", "yes"), ("Cookie", "a=1; b=2"), ("X-Forwarded-For", "203.0.113.7")]
    site = make_site(HTTP_SERVER="gunicorn", ASGI_PATHS="/poll/")
    requests = [
        site.seen(target, "POST", headers=headers, body=b"\x00body", host="a.example:81")
        for target in ("/", "/poll/")
    ]
    assert [request.upstream[:6] for request in requests] == ["gunico", "daphne"]
    assert requests[0].headers == requests[1].headers
    assert {request.body for request in requests} == {b"\x00body"}


@both_methods
def test_websockets_work_without_gunicorn_and_pages_get_503(split: Site, method: str) -> None:
    split.kill(*split.processes[3:])
    answer = split.send(method)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert split.requests == []
    with _websocket(split) as client:
        client.sendall(b"back")
        assert _until(client, b"back") == b"back"


def test_shared_socket_replaces_the_asgi_server_only(split: Site) -> None:
    split.kill(*split.processes[:3])
    assert split.answered_by("/poll/") == {"shared"}
    assert split.answered_by("/room") == GUNICORN


def test_one_server_for_everything_has_no_choice(prepare: MakeSite) -> None:
    text = prepare(ASGI_PATHS="/poll/", ASGI_HOSTS="live.example.org").nginx.site.read_text()
    for word in ("site_backend", "http-backend", "asgi_path", "asgi_host", "gunicorn", "poll"):
        assert word not in text
    assert text.count("proxy_pass http://channels-backend;") == 2  # pages, websockets
    assert "server_name live.example.org _;" in text


# Files and bodies


def test_static_file_with_a_hash_is_cached_for_good(site: Site, release: Path) -> None:
    answer = site.ask(f"/static/{HASHED}")
    assert answer.body == (release / "public" / "static" / HASHED).read_bytes()
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert site.requests == []


def test_other_static_files_are_revalidated(make_site: MakeSite, release: Path) -> None:
    (release / "public" / "assets").mkdir()
    (release / "public" / "assets" / "chat.js").write_text("content")
    site = make_site(STATIC_URL="/assets/")
    answer = site.ask("/assets/chat.js")
    assert answer.body == b"content"
    assert answer.headers["cache-control"] == "no-cache"
    known = [("If-None-Match", answer.headers["etag"])]
    assert site.ask("/assets/chat.js", headers=known).status == 304
    assert site.requests == []


@pytest.mark.usefixtures("release")
def test_missing_static_file_never_reaches_the_application(site: Site) -> None:
    for target in ("/static/gone.js", "/static/", "/static/chat/", "/static/.env"):
        answer = site.ask(target)
        assert answer.status == 404, target
        assert "cache-control" not in answer.headers
    assert site.requests == []


@pytest.mark.usefixtures("release")
def test_code_and_data_are_never_served(site: Site) -> None:
    for target in (
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
    ):
        answer = site.ask(target)
        assert SECRET.encode() not in answer.body, target
        assert answer.upstream or answer.status in (400, 404), target


def test_uploads_are_served_only_with_a_media_url(prepare: MakeSite) -> None:
    assert "/var/lib/site/media" not in prepare().nginx.site.read_text()
    text = prepare(MEDIA_URL="/files/").nginx.site.read_text()
    location = text.partition("    location /files/ {\n")[2].partition("}")[0]
    assert "alias /var/lib/site/media/;" in location
    assert "sandbox" in location


def test_body_may_be_as_large_as_the_setting_says(make_site: MakeSite) -> None:
    site = make_site(MAX_BODY="1k")
    assert len(site.seen("/", "POST", body=b"x" * 1024).body) == 1024
    assert site.ask("/", "POST", body=b"x" * 1025).status == 413
    assert len(site.requests) == 1


@contextmanager
def _websocket(site: Site, written: str = "websocket") -> Iterator[socket.socket]:
    """A client whose connection was upgraded."""
    with socket.create_connection(("127.0.0.1", site.nginx.port), timeout=20) as client:
        client.sendall(
            f"GET /ws/ HTTP/1.1\r\nHost: a\r\nUpgrade: {written}\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: k\r\n\r\n".encode()
        )
        assert _until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        yield client


def _until(client: socket.socket, end: bytes) -> bytes:
    """What `client` receives, up to `end`."""
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
