"""site.conf, as the real nginx obeys it."""

import base64
import gzip
import http.client
import re
import socket
import string
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from integration.nginx_process import Answer, Nginx
from integration.upstream import Request, Upstream
from laurel import capacity, nginx, templates
from laurel.choices import conflicts
from laurel.process import sockets
from laurel.schema import SETTINGS
from laurel.settings import Settings

UPGRADE = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
DAPHNE = {f"daphne{number}" for number in range(3)}
GUNICORN = {f"gunicorn{number}" for number in range(3)}

both_servers = pytest.mark.parametrize("server", ["same", "gunicorn"])


class Site:
    """nginx, the processes it balances over, and the shared socket that it falls back on."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.requests: list[Request] = []  # what all upstreams have received
        self.shared = Upstream("shared", None, self.requests).start()
        self.processes = [
            Upstream(Path(path).stem, folder / Path(path).name, self.requests).start()
            for path in sockets(settings)
        ]
        self.nginx: Nginx

    def stop(self) -> None:
        self.kill(self.shared, *self.processes)
        self.nginx.stop()

    def kill(self, *upstreams: Upstream) -> None:
        for upstream in upstreams:
            upstream.kill()

    def ask(self, *arguments: object, **options: object) -> Answer:
        return self.nginx.ask(*arguments, **options)  # type: ignore[arg-type]

    def seen(self, *arguments: object, **options: object) -> Request:
        """The one request that an upstream receives for one to nginx."""
        before = len(self.requests)
        assert self.ask(*arguments, **options).status == 200
        assert len(self.requests) == before + 1
        return self.requests[-1]

    def answers(self) -> list[Answer]:
        """The answers to a GET and a POST."""
        return [self.ask("/room"), self.ask("/room", "POST", body=b"x")]

    def answered_by(self, target: str = "/", host: str = "example.org") -> set[str | None]:
        """The upstreams that answer several requests."""
        answers = [self.ask(target, host=host) for _ in range(9)]
        assert {answer.status for answer in answers} == {200}
        return {answer.upstream for answer in answers}


MakeNginx = Callable[..., Nginx]
MakeSite = Callable[..., Site]


@pytest.fixture
def make_nginx(tmp_path: Path, machine_files: Path, nginx_binary: str) -> MakeNginx:
    """Makes an nginx that does not run yet, with site.conf for some settings."""
    template = (machine_files / "etc/nginx/sites-available/site.conf").read_text()

    def make(
        settings: Settings, backup_port: int | None = None, drained: frozenset[str] = frozenset()
    ) -> Nginx:
        made = Nginx(nginx_binary, tmp_path, backup_port)
        made.site.write_text(made.runnable(templates.render(template, settings, drained)))
        return made

    return make


@pytest.fixture
def make_site(
    tmp_path: Path, make_nginx: MakeNginx, make_settings: Callable[..., Settings]
) -> Iterator[MakeSite]:
    """Starts a site with three processes of each server; the sockets `drained` get no requests."""
    made: list[Site] = []

    def make(drained: frozenset[str] = frozenset(), **values: str | int) -> Site:
        settings = make_settings(**values)
        site = Site(tmp_path, settings)
        site.nginx = make_nginx(settings, site.shared.port, drained)
        made.append(site)
        site.nginx.start()
        return site

    yield make
    for site in made:
        site.stop()


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


# Settings

LABEL = "x" * 63
LONGEST = f"{LABEL}.{LABEL}.{LABEL}.{'y' * 61}"  # 253 characters
WORD = string.ascii_letters + string.digits


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"PROCESSES": "1024", "HTTP_SERVER": "gunicorn", "ASGI_SERVER": "granian"},
        *({"MAX_BODY": size} for size in ("0", "8589934591g", "9223372036854775807", "010M")),
        {"SITE_HOSTS": LONGEST},
        {"SITE_HOSTS": " ".join(f"{number:02}{LONGEST[2:]}" for number in range(30))},
        # Duplicates, nginx's own words and long names, which a table of names would refuse.
        *(
            {"HTTP_SERVER": "gunicorn", name: hosts}
            for name in ("SITE_HOSTS", "ASGI_HOSTS")
            for hosts in (
                f"a.example,A.example .a.example 0 a.-b .{LONGEST[1:]}",
                f"default include hostnames 10.0.0.7 [2001:db8::7] [::FFFF:1.2.3.4] {WORD}-.a",
            )
        ),
        {"TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,10.1.2.3/8 10.0.0.0/08 0.0.0.0/8 0.0.0.0"},
        {"TRUSTED_PROXIES": "::1 ::1/128 2001:db8::/32 2001:DB8::1/32 ::ffff:1.2.3.4 2000::/16"},
        {"HTTP_SERVER": "gunicorn", "ASGI_PATHS": f"/{WORD}_./~+@- / // /a /a/ /A /t/n/r"},
        {"STATIC_URL": f"/{WORD}_.~-/a/b/", "MEDIA_URL": f"/{WORD}_.~-/a/"},
        {"STATIC_URL": "/~/", "MEDIA_URL": "/~/m/"},
        {"BIND_ADDRESS": "255.255.255.255", "BIND_PORT": "65535", "READ_TIMEOUT": "99999"},
        {"HTTP_SERVER": "gunicorn", "ASGI_PATHS": "/" + "." * 999, "MEDIA_URL": f"/{'m' * 998}/"},
    ],
    ids=lambda values: " ".join(values) or "defaults",
)
def test_nginx_accepts_every_valid_setting(
    make_nginx: MakeNginx, make_settings: Callable[..., Settings], values: dict[str, str]
) -> None:
    settings = make_settings(int(values.get("PROCESSES", "3")), **values)
    assert [problem for name in values for problem in SETTINGS[name].problems(values[name])] == []
    assert list(conflicts(settings.values)) == []
    checked = make_nginx(settings).check()
    # It accepts the same network twice, and one with bits beyond its length, with a warning.
    expected = re.compile(r" is ok$| is successful$|duplicate network|low address bits")
    others = [line for line in checked.stderr.splitlines() if not expected.search(line)]
    assert (checked.returncode, others) == (0, [])


# Headers


def test_application_gets_the_real_host_and_client(site: Site) -> None:
    forged = [
        ("X-Forwarded-Host", "evil.example"),
        *((name, "203.0.113.7") for name in ("X-Forwarded-For", "X-Real-IP")),
    ]
    request = site.seen(host="example.org:8080", headers=forged)
    assert request.header("Host") == "example.org:8080"
    assert request.header("X-Forwarded-Host") == "example.org:8080"
    assert request.header("X-Forwarded-For") == "127.0.0.1"
    assert request.header("X-Real-IP") == "127.0.0.1"


@pytest.mark.parametrize("proxies", ["", "127.0.0.1"], ids=["untrusted", "trusted"])
def test_headers_that_a_server_might_trust_are_removed(make_site: MakeSite, proxies: str) -> None:
    names = [
        *("X-Forwarded-Port", "Forwarded", "Daphne-Root-Path"),
        # gunicorn answers 400 if one contradicts X-Forwarded-Proto (secure_scheme_headers).
        *("X-Forwarded-Protocol", "X-Forwarded-Ssl"),
        # A server may read these as if they had hyphens.
        *("X_Forwarded_For", "X_Forwarded_Proto", "Daphne_Root_Path", "SCRIPT_NAME", "PATH_INFO"),
    ]
    site = make_site(TRUSTED_PROXIES=proxies)
    request = site.seen(headers=[("X-Other", "yes"), *((name, "4711") for name in names)])
    assert [name for name in names if request.header(name) is not None] == []
    assert request.header("X-Other") == "yes"


@pytest.mark.parametrize(
    ("proxies", "forwarded_for", "forwarded_proto", "client", "scheme"),
    [
        ("192.0.2.1,10.0.0.0/8", "10.0.0.1", "https", "127.0.0.1", "http"),
        ("127.0.0.1", "203.0.113.7", "https", "203.0.113.7", "https"),
        ("192.0.2.1, 127.0.0.0/8", "203.0.113.7", "http", "203.0.113.7", "http"),
        ("127.0.0.1", "203.0.113.7", "gopher", "203.0.113.7", "http"),
        # The client's own claim comes first in a chain of proxies.
        ("127.0.0.1 10.0.0.0/8", "192.0.2.66, 203.0.113.7, 10.0.0.1", "", "203.0.113.7", "http"),
    ],
)
def test_only_trusted_proxies_set_client_and_scheme(
    make_site: MakeSite,
    proxies: str,
    forwarded_for: str,
    forwarded_proto: str,
    client: str,
    scheme: str,
) -> None:
    headers = [("X-Forwarded-For", forwarded_for), ("X-Forwarded-Proto", forwarded_proto)]
    request = make_site(TRUSTED_PROXIES=proxies).seen(headers=headers)
    assert request.header("X-Forwarded-For") == request.header("X-Real-IP") == client
    assert request.header("X-Forwarded-Proto") == scheme


# Websockets and connections


@pytest.mark.parametrize(("written", "server"), [("websocket", "same"), ("WebSocket", "gunicorn")])
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


def test_silent_websocket_outlives_a_hung_page(make_site: MakeSite) -> None:
    """Waits for 2 s."""
    site = make_site(processes=1, READ_TIMEOUT="1")
    with _websocket(site) as client:
        assert site.ask("/hold").status == 504
        time.sleep(0.5)
        client.sendall(b"there and back")
        assert _until(client, b"back") == b"there and back"


def test_only_websockets_are_upgraded(site: Site) -> None:
    for written in ("h2c", "TLS/1.0", "websocket2", "h2c, websocket"):
        request = site.seen(headers=[("Upgrade", written), ("Connection", "Upgrade")])
        assert request.header("Upgrade") is None
        assert request.header("Connection") is None


def test_requests_share_the_connections_to_the_upstreams(site: Site) -> None:
    client = http.client.HTTPConnection("127.0.0.1", site.nginx.port, timeout=20)
    for _ in range(12):
        client.request("GET", "/")
        assert client.getresponse().read() == b""
    client.close()
    used = {(request.upstream, request.connection) for request in site.requests}
    assert len(used) == len(site.processes)


# Balance


@both_servers
def test_process_with_the_fewest_open_requests_is_chosen(make_site: MakeSite, server: str) -> None:
    site = make_site(HTTP_SERVER=server)
    first, second, third = site.processes[-3:]
    clients = [threading.Thread(target=site.ask, args=("/hold",)) for _ in range(3)]
    for number, client in enumerate(clients, start=1):
        client.start()
        _wait_until(lambda number=number: len(site.requests) == number)  # type: ignore[misc]
    second.gate.set()
    _wait_until(lambda: sum(client.is_alive() for client in clients) == 2)
    assert site.answered_by() == {second.name}
    first.gate.set()
    third.gate.set()
    for client in clients:
        client.join(20)


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


def test_drained_process_gets_no_new_request(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained = frozenset({"/run/daphne/gunicorn1.sock", "/run/daphne/daphne2.sock"})
    site = make_site(HTTP_SERVER="gunicorn", ASGI_PATHS="/poll/", drained=drained)
    assert site.answered_by("/") == GUNICORN - {"gunicorn1"}
    assert site.answered_by("/poll/") == DAPHNE - {"daphne2"}
    monkeypatch.setattr(nginx, "SITE", site.nginx.site)
    assert {Path(path).stem for path in nginx.drained()} == {"gunicorn1", "daphne2"}


def test_shared_socket_is_used_when_no_process_lives(site: Site) -> None:
    site.kill(*site.processes)
    assert {answer.upstream for _ in range(3) for answer in site.answers()} == {"shared"}
    assert [request.body for request in site.requests] == [b"", b"x"] * 3


@pytest.mark.parametrize("values", [{}, {"HTTP_SERVER": "gunicorn"}, {"ASGI_SERVER": "uvicorn"}])
def test_starting_site_answers_503_with_retry_after(
    make_site: MakeSite, values: dict[str, str]
) -> None:
    site = make_site(**values)
    # uvicorn does not take the shared socket.
    site.kill(*site.processes, *([] if "ASGI_SERVER" in values else [site.shared]))
    for answer in [*site.answers(), *site.answers(), site.ask(headers=UPGRADE)]:
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert b"starting" in answer.body


def test_error_of_the_application_passes_unchanged(site: Site) -> None:
    for status in (404, 500, 502, 503):
        answer = site.ask(f"/status/{status}")
        assert answer.status == status
        assert answer.upstream
        assert "retry-after" not in answer.headers


@pytest.mark.parametrize(("method", "tries"), [("GET", 2), ("POST", 1)])
def test_request_whose_process_dies_is_tried_at_most_twice(
    site: Site, method: str, tries: int
) -> None:
    answer = site.ask("/die", method, body=b"x" if method == "POST" else None)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert len({request.upstream for request in site.requests}) == len(site.requests) == tries


def test_request_whose_process_is_silent_is_tried_once(make_site: MakeSite) -> None:
    """Waits for 1 s."""
    site = make_site(READ_TIMEOUT="1")
    assert site.ask("/hold").status == 504
    assert len(site.requests) == 1


@pytest.mark.parametrize("values", [{}, {"HTTP_SERVER": "gunicorn"}, {"ASGI_SERVER": "uvicorn"}])
@pytest.mark.parametrize("living", [0, 4])
def test_one_living_process_of_many_is_found(
    make_site: MakeSite, values: dict[str, str], living: int
) -> None:
    site = make_site(processes=5, **values)
    site.kill(*(one for number, one in enumerate(site.processes) if number % 5 != living))
    for _ in range(4):
        assert [answer.status for answer in site.answers()] == [200, 200]
        with _websocket(site) as client:
            client.sendall(b"back")
            assert _until(client, b"back") == b"back"
        assert not site.requests[-1].upstream.startswith("gunicorn")


# Limits


def test_client_beyond_its_connections_has_to_wait(make_site: MakeSite) -> None:
    site = make_site(CLIENT_CONNECTIONS="2")
    with _held(site, 2):
        answer = site.ask()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert site.ask().status == 200


def test_client_beyond_its_websockets_still_gets_pages(make_site: MakeSite) -> None:
    site = make_site(CLIENT_WEBSOCKETS="1")
    with _websocket(site):
        answer = site.ask(headers=UPGRADE)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert site.ask().status == 200


def test_client_beyond_its_rate_gets_429(make_site: MakeSite) -> None:
    site = make_site(CLIENT_REQUESTS="1")
    assert [site.ask().status for _ in range(4)] == [200, 200, 200, 429]


def test_zero_sets_no_limit(make_site: MakeSite) -> None:
    site = make_site(CLIENT_CONNECTIONS="0", CLIENT_WEBSOCKETS="0", CLIENT_REQUESTS="0")
    assert re.findall("limit_(?:conn|req) .*(?:clients|websockets|requests)", _conf(site)) == []
    assert site.ask().status == 200


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("203.0.113.7", "203.0.113.8", 200),
        ("203.0.113.7", "203.0.113.7", 503),
        ("2001:db8::7", "2001:db8::8:9", 503),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::7", 503),
        ("2001:db8:1:2::7", "2001:db8:1:3::7", 200),
        ("2001:db8::7", "2001:db8:0:1::7", 200),
    ],
)
def test_clients_behind_a_trusted_proxy_count_separately(
    make_site: MakeSite, first: str, second: str, status: int
) -> None:
    site = make_site(TRUSTED_PROXIES="127.0.0.1", CLIENT_CONNECTIONS="1")
    with _held(site, 1, [("X-Forwarded-For", first)]):
        assert site.ask(headers=[("X-Forwarded-For", second)]).status == status


def test_health_check_gets_in_when_the_site_is_full(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "connections", lambda _: 2)
    site = make_site(HEALTH_PATH="/healthz?deep")
    with _held(site, 2):
        assert site.ask("/").status == 503
        assert site.ask("/healthz").status == 200
        assert site.ask("/healthz?deep").status == 200
        assert site.ask("/healthz2").status == 503


@pytest.mark.parametrize("size", ["Content-Length: 200000", "Transfer-Encoding: chunked"])
def test_large_uploads_of_a_client_leave_room_for_others(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    monkeypatch.setattr(capacity, "uploads", lambda _: 8)
    site = make_site(TRUSTED_PROXIES="127.0.0.1")

    def upload(client: str) -> bytes:
        """The first bytes of the answer to an upload that is held, or of none (b"")."""
        connection = held.enter_context(socket.create_connection(("127.0.0.1", site.nginx.port)))
        connection.sendall(
            f"POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\n{size}\r\n\r\n".encode()
        )
        connection.settimeout(0.2)
        with suppress(TimeoutError):
            return connection.recv(12)
        return b""

    with ExitStack() as held:
        answers = [upload("203.0.113.7") for _ in range(3)]
        assert answers == [b"", b"", b"HTTP/1.1 503"]
        assert upload("203.0.113.8") == b""
        assert site.ask("/", "POST", [("X-Forwarded-For", "203.0.113.7")], b"x").status == 200


@pytest.mark.parametrize("part", ["target", "Referer", "User-Agent", "Authorization"])
def test_line_of_the_access_log_is_bounded(site: Site, part: str) -> None:
    large = "x" * 7500
    headers = [("X-Other", large), ("Cookie", large), ("X-More", large)]
    if part == "target":
        assert site.ask(f"/{large}", headers=headers).status == 200
    else:
        basic = base64.b64encode(b"x" * 5500 + b":").decode()
        value = f"Basic {basic}" if part == "Authorization" else large
        assert site.ask(headers=[(part, value), *headers]).status == 200
    log = site.nginx.folder / "nginx-access.log"
    deadline = time.monotonic() + 10  # nginx writes the line after the answer
    while not log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    (line,) = log.read_text().splitlines()
    assert len(line) < 1000
    assert '" 200 0 "' in line


# A server for plain HTTP


def test_paths_choose_the_server(split: Site) -> None:
    for target in ("/", "/room", "/poll", "/Poll/", "/a/poll/", "/v1x0/sse", "/?/poll/"):
        assert split.answered_by(target) == GUNICORN, target
        assert split.seen(target, "POST", body=b"x").upstream in GUNICORN
    # The last three as the application reads them.
    asgi = ("/poll/", "/poll/7?after=3", "/v1.0/sse-too", "//poll/", "/x/../poll/", "/%70oll/7")
    for target in asgi:
        assert split.answered_by(target) == DAPHNE, target
        request = split.seen(target, "POST", body=b"x")
        assert request.upstream in DAPHNE
        # The upstream's own parser drops a second slash.
        assert request.target.lstrip("/") == target.lstrip("/")


def test_hosts_choose_the_server(split: Site) -> None:
    for host in (
        *("live.example.org", "LIVE.example.org", "live.example.org.", "live.example.org:8080"),
        *("10.0.0.7:80", "stream.example", "a.b.stream.example"),
    ):
        assert split.answered_by(host=host) == DAPHNE, host
        assert split.requests[-1].header("Host") == host
    for host in (
        *("example.org", "xlive.example.org", "live.example.org.evil.example"),
        *("a.live.example.org", "xstream.example", "live-example.org", "110.0.0.7"),
    ):
        assert split.answered_by(host=host) == GUNICORN, host


def test_both_servers_get_the_same_headers_and_body(split: Site) -> None:
    headers = [("X-Other", "yes"), ("Cookie", "a=1; b=2"), ("X-Forwarded-For", "203.0.113.7")]
    pages, polls = (
        split.seen(target, "POST", headers=headers, body=b"\x00body", host="a.example:81")
        for target in ("/", "/poll/")
    )
    assert (pages.upstream[:6], polls.upstream[:6]) == ("gunico", "daphne")
    assert pages.headers == polls.headers
    assert pages.body == polls.body == b"\x00body"


def test_each_server_fails_alone(split: Site) -> None:
    split.kill(*split.processes[3:])
    for answer in split.answers():
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    with _websocket(split) as client:
        client.sendall(b"back")
        assert _until(client, b"back") == b"back"
    split.processes[3].start()
    split.kill(*split.processes[:3])
    assert split.answered_by("/poll/") == {"shared"}
    assert split.answered_by("/room") == {"gunicorn0"}


# Files and bodies


@pytest.mark.parametrize(
    ("kind", "compressed"),
    [
        *((kind, True) for kind in ("text/html", "text/css", "text/javascript", "text/plain")),
        *((f"application/{kind}", True) for kind in ("javascript", "json", "manifest+json")),
        *(("image/svg+xml", True), ("image/png", False), ("font/woff2", False)),
    ],
)
def test_text_is_compressed(site: Site, kind: str, compressed: bool) -> None:
    target = f"/as/{kind}"
    answer = site.ask(target, headers=[("Accept-Encoding", "gzip"), ("Via", "1.1 proxy")])
    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert (gzip.decompress(answer.body) if compressed else answer.body) == b"x" * 3000
    plain = site.ask(target)
    assert plain.body == b"x" * 3000
    assert plain.headers.get("vary") == ("Accept-Encoding" if compressed else None)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_stream_arrives_part_by_part(site: Site, encoding: str) -> None:
    client = http.client.HTTPConnection("127.0.0.1", site.nginx.port, timeout=20)
    client.request("GET", "/stream", headers={"Accept-Encoding": encoding})
    answer = client.getresponse()
    assert answer.getheader("Content-Encoding", "identity") == encoding
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress if encoding == "gzip" else bytes
    assert _read(answer, unzip, 5) == b"first"
    for process in site.processes:
        process.gate.set()
    assert _read(answer, unzip, 4) == b"last"
    assert answer.read1(1) == b"" or encoding == "gzip"
    client.close()


def test_only_static_files_with_a_hash_are_never_revalidated(
    make_site: MakeSite, tmp_path: Path
) -> None:
    folder = tmp_path / "release" / "public" / "assets"
    folder.mkdir(parents=True)
    for name in ("chat.0123456789ab.js", "chat.js"):
        (folder / name).write_text(name)
    site = make_site(STATIC_URL="/assets/")
    hashed, plain = site.ask("/assets/chat.0123456789ab.js"), site.ask("/assets/chat.js")
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert hashed.headers["x-content-type-options"] == "nosniff"
    assert plain.body == b"chat.js"
    assert plain.headers["cache-control"] == "no-cache"
    known = [("If-None-Match", plain.headers["etag"])]
    assert site.ask("/assets/chat.js", headers=known).status == 304
    missing = site.ask("/assets/gone.0123456789ab.js")
    assert missing.status == 404
    assert "cache-control" not in missing.headers
    assert site.requests == []


def test_uploads_are_served_without_their_scripts(make_site: MakeSite, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.html").write_text("uploaded")
    (tmp_path / "db.sqlite3").write_text("secret")
    site = make_site(MEDIA_URL="/files/")
    answer = site.ask("/files/a.html")
    assert answer.body == b"uploaded"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for target in ("/files../db.sqlite3", "/files/../db.sqlite3", "/files/..%2fdb.sqlite3"):
        assert b"secret" not in site.ask(target).body


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


@contextmanager
def _held(site: Site, count: int, headers: list[tuple[str, str]] | None = None) -> Iterator[None]:
    """`count` requests that are open."""
    options = {"headers": headers or []}
    clients = [
        threading.Thread(target=site.ask, args=("/hold",), kwargs=options) for _ in range(count)
    ]
    for client in clients:
        client.start()
    _wait_until(lambda: len(site.requests) == count)
    yield
    for process in site.processes:
        process.gate.set()
    for client in clients:
        client.join(20)


def _conf(site: Site) -> str:
    return site.nginx.site.read_text()


def _read(answer: http.client.HTTPResponse, decode: Callable[[bytes], bytes], length: int) -> bytes:
    """The next `length` bytes of a body."""
    found = b""
    while len(found) < length:
        data = answer.read1(1000)
        assert data, f"cut after {found!r}"
        found += decode(data)
    return found


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
