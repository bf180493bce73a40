"""The servers side by side: what wrk says, what counts, and what the table makes of it."""

import dataclasses
import json
import os
import subprocess
from collections import deque
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from acceptance import stages
from bench import load, servers
from bench.load import LoadError, Requests, Rounds, parse_wrk
from bench.servers import (
    DEFAULT,
    OTHERS,
    Figures,
    Outcome,
    as_found,
    chosen,
    default_of,
    listening,
    memory_of,
    ratios,
    table,
    with_settings,
)
from laurel import env_file
from laurel.servers import names
from machine import KernelPanicError, MachineError, Result

WRK = """\
Running 20s test @ http://127.0.0.1:8080/bench/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    78.90ms   21.32ms 334.77ms   71.00%
    Req/Sec   203.35     41.46   310.00     68.00%
  Latency Distribution
     50%   74.13ms
     75%   90.00ms
     90%  107.49ms
     99%  151.02ms
  4063 requests in 20.01s, 1.30MB read
Requests/sec:    203.01
Transfer/sec:     66.45KB
"""
FIGURES = Figures(
    view=200.0,
    view_p99=151.0,
    page=100.0,
    page_p99=260.0,
    echo=1900.0,
    message=50.0,
    memory=160.0,
    processes=2,
)
TEXT = "# of this machine\nSECRET_KEY=a=b\nPROCESSES=3\nexport PROCESSES=of the project\n"


# wrk


def test_the_rate_and_the_99th_percentile_are_read() -> None:
    assert parse_wrk(WRK, "/") == Requests(203.01, 151.02)


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    # A unit of one letter is followed by a blank.
    [("870.00us", 0.87), ("1.02s ", 1020), ("1.50m ", 90000)],
)
def test_each_unit_of_wrk_is_known(written: str, milliseconds: float) -> None:
    assert parse_wrk(WRK.replace("151.02ms", written), "/").p99_ms == pytest.approx(milliseconds)


@pytest.mark.parametrize(
    "line",
    [
        "  Non-2xx or 3xx responses: 12",
        "  Socket errors: connect 0, read 3, write 0, timeout 0",
    ],
)
def test_an_error_among_the_answers_is_no_figure(line: str) -> None:
    with pytest.raises(LoadError, match=f"GET /bench/: {line.strip()}"):
        parse_wrk(WRK.replace("Requests/sec", f"{line}\nRequests/sec"), "/bench/")


def test_no_answer_is_no_figure() -> None:
    with pytest.raises(LoadError, match="no answer"):
        parse_wrk(WRK.replace("203.01", "  0.00"), "/")
    with pytest.raises(LoadError, match="neither a rate nor"):
        parse_wrk("unable to create thread\n", "/")


@pytest.fixture
def wrk(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A page that answers 200, and the seconds that wrk was started for."""
    seconds: list[float] = []

    def run(_address: str, of: float) -> str:
        seconds.append(of)
        return WRK

    monkeypatch.setattr(load.Browser, "get", lambda *_: SimpleNamespace(status_code=200, reason=""))
    monkeypatch.setattr(load, "_wrk", run)
    return seconds


def test_a_page_is_loaded_once_to_warm_up_and_once_to_be_measured(wrk: list[float]) -> None:
    assert load.ask_page("http://site", "/", 20) == Requests(203.01, 151.02)
    assert wrk == [load.WARM_SECONDS, 20]


def test_a_redirect_is_no_page(wrk: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = SimpleNamespace(status_code=302, reason="Found")
    monkeypatch.setattr(load.Browser, "get", lambda *_: answer)
    with pytest.raises(LoadError, match="GET / gives 302 Found, not 200"):
        load.ask_page("http://site", "/", 20)
    assert wrk == []


def test_a_host_without_wrk_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load.shutil, "which", lambda _: None)
    with pytest.raises(LoadError, match="package wrk"):
        load.check_host()


# Guests


class Socket:
    """A guest's websocket: it hears what it is made with, then what it said itself."""

    def __init__(self, *frames: dict[str, str]) -> None:
        self.frames = deque(frames)
        self.closed = False

    def send(self, text: str) -> None:
        if text == "?":
            self.frames.append({"type": "error", "code": "malformed"})
        else:
            self.frames.append({"type": "message", "message": json.loads(text)["message"]})

    def recv(self) -> str:
        return json.dumps(self.frames.popleft()) if self.frames else ""

    def close(self) -> None:
        self.closed = True


def test_a_guest_waits_for_its_own_word_and_not_for_another_s() -> None:
    socket = Socket({"type": "message", "message": "another's"})
    load.message(socket)
    assert not socket.frames
    socket = Socket({"type": "message", "message": "of the history"})
    load.echo(socket)
    assert not socket.frames


def test_an_error_of_the_chat_is_no_round() -> None:
    stored_not = {"type": "error", "code": "not_stored", "message": "Try again."}
    for round_of in (load.echo, load.message):
        with pytest.raises(LoadError, match="not_stored"):
            round_of(Socket(stored_not))


def test_a_websocket_that_ends_is_no_round() -> None:
    for round_of in (load.echo, load.message):
        socket = Socket()
        socket.send = lambda _: None  # type: ignore[method-assign]
        with pytest.raises(LoadError, match="hung up"):
            round_of(socket)


def test_a_round_counts_that_ends_after_the_warm_up_and_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(
        load, "time", SimpleNamespace(monotonic=lambda: now, process_time=lambda: now / 2)
    )
    course = load._Course(20.0)
    course._begin()
    counted, goes_on = {}, {}
    for moment in (0.0, 4.9, 5.0, 24.9, 25.0):
        now = moment
        counted[moment], goes_on[moment] = course.counts(), course.goes_on()
    assert counted == {0.0: False, 4.9: False, 5.0: True, 24.9: True, 25.0: False}
    assert goes_on == {0.0: True, 4.9: True, 5.0: True, 24.9: True, 25.0: False}
    course.stop()
    assert course.work == 12.5


def test_all_guests_are_counted_and_hang_up(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets: list[Socket] = []

    def open_websocket(*_: str) -> Socket:
        sockets.append(Socket())
        return sockets[-1]

    monkeypatch.setattr(load, "open_websocket", open_websocket)
    monkeypatch.setattr(load, "WARM_SECONDS", 0.05)
    assert load.talk("http://site", load.message, 0.2).per_second > 0
    assert len(sockets) == load.GUESTS
    assert all(socket.closed for socket in sockets)


def test_one_guest_that_fails_ends_the_others_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets: list[Socket] = []

    def open_websocket(*_: str) -> Socket:
        if len(sockets) == load.GUESTS - 1:
            raise ConnectionRefusedError("Connection refused")
        sockets.append(Socket())
        return sockets[-1]

    monkeypatch.setattr(load, "open_websocket", open_websocket)
    with pytest.raises(LoadError, match="Connection refused"):
        load.talk("http://site", load.echo, 3600)
    assert all(socket.closed for socket in sockets)


def test_guests_end_with_the_run_that_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets: list[Socket] = []

    def open_websocket(*_: str) -> Socket:
        sockets.append(Socket())
        return sockets[-1]

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(load, "open_websocket", open_websocket)
    monkeypatch.setattr(load, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load.talk("http://site", load.echo, 3600)
    assert all(socket.closed for socket in sockets)


def test_guests_that_need_a_whole_processor_are_told() -> None:
    assert Rounds(7000, own_work=0.95).held_back
    assert not Rounds(2000, own_work=0.2).held_back


# The machine


def test_only_the_rows_own_lines_of_site_env_are_replaced() -> None:
    text = with_settings(TEXT, {"PROCESSES": "auto", "ASGI_SERVER": "uvicorn"})
    assert text == (
        "# of this machine\nSECRET_KEY=a=b\nexport PROCESSES=of the project\n"
        "PROCESSES=auto\nASGI_SERVER=uvicorn\n"
    )
    found = env_file.parse(text.encode(), Path("site.env"))
    assert found.values == {"SECRET_KEY": "a=b", "PROCESSES": "auto", "ASGI_SERVER": "uvicorn"}
    assert found.problems == []


def test_a_last_line_without_an_end_stays_whole() -> None:
    assert with_settings("A=1", {"B": "2"}) == "A=1\nB=2\n"


def test_every_row_is_of_values_that_a_machine_takes(top: Path) -> None:
    rows = (DEFAULT, *OTHERS)
    known = (top / "provision/settings.sh").read_text()
    assert [name for name in DEFAULT.settings if f': "${{{name}:=' not in known] == []
    assert {row.asgi for row in rows} == set(names("asgi"))
    assert {row.http for row in rows} == {"same", *names("wsgi")}
    assert {row.layer for row in rows} == set(servers.LAYERS)


def test_some_rows_are_measured_between_the_defaults_two() -> None:
    assert [row.name for row in chosen("memory, uvicorn")] == [
        "daphne",
        "uvicorn",
        "memory",
        "daphne",
    ]
    assert chosen("") == [DEFAULT, *OTHERS, DEFAULT]
    with pytest.raises(ValueError, match="no row uvikorn; there are uvicorn, hypercorn"):
        chosen("uvikorn,memory")


def test_the_servers_that_listen_are_read() -> None:
    assert listening(
        "u_str LISTEN 0 100  /run/daphne/uvicorn0.sock 9035 * 0\n"
        "u_str LISTEN 0 2048 /run/daphne/gunicorn1.sock 9036 * 0\n"
        "u_str LISTEN 0 4096 /run/supervisor.sock 8001 * 0\n"
    ) == {"uvicorn", "gunicorn"}
    assert listening("") == set()


def test_the_memory_of_all_processes_is_added_up() -> None:
    assert memory_of("61440\n40960\n") == (100, 2)
    with pytest.raises(LoadError, match="no process"):
        memory_of("")


class Site(servers.Machine):
    """A machine that takes every setting, but for a server of `missing`, and another layer where
    there is a `layer`; `texts` are the site.env that it had."""

    def __init__(self, *missing: str, layer: str = "", panics: bool = False) -> None:
        self.name = "bench"
        self.texts = [TEXT]
        self._missing = missing
        self._layer = layer
        self._panics = panics

    @property
    def running(self) -> bool:
        return True

    @property
    def url(self) -> str:
        return "http://site"

    def start(self) -> None:
        """Do nothing."""

    wait_for_ssh = wait_for_http = lambda *_, **__: None  # type: ignore[assignment]

    def execute(self, command: str, *, stdin: str = "", **_: float) -> Result:
        return Result(0, self._told(command, stdin), "")

    def succeed(self, command: str, *, stdin: str = "", **_: float) -> str:
        if command == "laurel reload" and self._panics:
            raise KernelPanicError("bench: the guest's kernel has panicked")
        return self._told(command, stdin)

    def _told(self, command: str, stdin: str) -> str:
        if command == f"cat >{servers.SITE_ENV}":
            self.texts.append(stdin)
        values = env_file.parse(self.texts[-1].encode(), Path("site.env")).values
        wanted = {values.get("ASGI_SERVER"), values.get("HTTP_SERVER")} - {"same", None}
        there = {"daphne" if name in self._missing else name for name in wanted}
        if command.startswith("laurel manage"):
            return self._layer or servers.LAYERS[values["CHANNEL_LAYER"]]
        answers = {
            "cat /etc/laurel/build.env": "HEALTH_PATH=/healthz\n",
            f"cat {servers.SITE_ENV}": self.texts[-1],
            "ss -Hlxn": "".join(f"u_str LISTEN 0 9 /run/daphne/{name}0.sock\n" for name in there),
            servers.MEMORY: "61440\n40960\n",
        }
        return answers.get(command, "")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads that take no time."""
    monkeypatch.setattr(servers, "ask_page", lambda *_: Requests(200, 151))
    monkeypatch.setattr(servers, "talk", lambda *_: Rounds(1900, 0.9))
    monkeypatch.setattr(stages, "remarks", [])


@pytest.mark.usefixtures("loaded")
def test_each_row_gets_its_lines_beside_those_of_the_machine() -> None:
    machine = Site()
    rows = chosen("daphne+gunicorn,memory")
    outcomes = servers.run(machine, rows, 20)
    assert [outcome.problem for outcome in outcomes] == [""] * 4
    assert machine.texts == [TEXT, *(with_settings(TEXT, row.settings) for row in rows)]
    assert outcomes[0].figures == Figures(200, 151, 200, 151, 1900, 1900, 100, 2)
    assert "daphne: the guests needed 90% of a processor" in stages.remarks[0]


@pytest.mark.usefixtures("loaded")
def test_a_row_whose_server_is_not_there_fails_and_no_other() -> None:
    machine = Site("uvicorn")
    outcomes = servers.run(machine, chosen("uvicorn,granian"), 20)
    problems = [outcome.problem for outcome in outcomes]
    assert problems == ["", "bench: daphne and not uvicorn listen in /run/daphne", "", ""]


@pytest.mark.usefixtures("loaded")
def test_a_layer_that_is_not_taken_fails_its_row() -> None:
    (outcome,) = servers.run(Site(layer="RedisChannelLayer"), [DEFAULT], 20)
    told = "the channel layer is RedisChannelLayer, not RedisPubSubChannelLayer"
    assert outcome == Outcome(DEFAULT, None, f"bench: {told}")


@pytest.mark.usefixtures("loaded")
def test_answers_that_are_errors_fail_a_row_with_what_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ask_page(*_: Any) -> Requests:
        raise LoadError("GET /bench/: Non-2xx or 3xx responses: 12")

    monkeypatch.setattr(servers, "ask_page", ask_page)
    outcomes = servers.run(Site(), [DEFAULT], 20)
    assert outcomes == [Outcome(DEFAULT, None, "GET /bench/: Non-2xx or 3xx responses: 12")]


@pytest.mark.usefixtures("loaded")
def test_nothing_is_measured_after_a_panic() -> None:
    with pytest.raises(KernelPanicError):
        servers.run(Site(panics=True), chosen(""), 20)


# A host that runs

HISTORY = '[{"model": "chat.message"}]'


class Running(servers.RemoteHost):
    """A host that is this one: what is written is below `folder`, and `laurel` notes its words."""

    def __init__(self, folder: Path) -> None:
        super().__init__("debian@bench")
        self._noted = folder / "noted"
        self._noted.touch()
        self._environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        laurel = folder / "laurel"
        laurel.write_text(
            f"""#!/bin/sh
            echo "$1" "$2" "$3" "$4" >>{self._noted}
            [ "$1" != reload ] || [ ! -e {folder}/broken ] || exit 1
            [ "$2" != dumpdata ] || echo '{HISTORY}'
            [ "$2" != loaddata ] || cat >>{self._noted}
            """
        )
        laurel.chmod(0o755)

    @property
    def did(self) -> list[str]:
        """What `laurel` was asked for."""
        return [line.strip() for line in self._noted.read_text().splitlines()]

    def execute(self, command: str, *, stdin: str = "", **_: float) -> Result:
        ran = subprocess.run(
            ["sh", "-c", command],
            input=stdin,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The two files that are written on a host."""
    settings, urls = tmp_path / "site.env", tmp_path / "urls.py"
    for file in (settings, urls):
        file.write_bytes(b"as found \xff")
        file.chmod(0o640)
    monkeypatch.setattr(servers, "URLS", str(urls))
    monkeypatch.setattr(servers, "WRITTEN", (str(settings), str(urls)))
    monkeypatch.setattr(servers, "LOCK", str(tmp_path / "lock"))
    return settings, urls


@pytest.mark.parametrize("end", [None, LoadError, MachineError, KeyboardInterrupt])
def test_a_host_is_put_back_as_it_was_found_however_it_ends(
    tmp_path: Path, written: tuple[Path, Path], end: type[BaseException] | None
) -> None:
    host = Running(tmp_path)
    there = sorted(tmp_path.iterdir())

    def measure() -> None:
        with as_found(host):
            for file in written:
                file.write_text("other")
            if end:
                raise end

    with pytest.raises(end) if end else nullcontext():
        measure()
    for file in written:
        assert file.read_bytes() == b"as found \xff"
        assert file.stat().st_mode & 0o777 == 0o640
    assert set(tmp_path.iterdir()) - {tmp_path / "lock"} == set(there)
    told = "\n".join(host.did)
    assert told.startswith("manage dumpdata chat.message\nreload\nmanage shell -c")
    assert told.endswith(f"manage loaddata --format=json -\n{HISTORY}")


def test_a_host_that_can_not_be_put_back_is_told_and_where_its_files_are(
    tmp_path: Path, written: tuple[Path, Path]
) -> None:
    said = r"debian@bench is not as it was found: .*laurel reload[^$]*urls\.py\.as-found"
    with pytest.raises(MachineError, match=said), as_found(Running(tmp_path)):
        (tmp_path / "broken").touch()
    # Nothing is lost where a file could not be written.
    with pytest.raises(MachineError, match="not as it was found"), as_found(Running(tmp_path)):
        written[0].rename(tmp_path / "away").with_name("site.env").mkdir()
    assert (tmp_path / "site.env.as-found").read_bytes() == b"as found \xff"


def test_a_host_that_was_not_put_back_is_not_touched(
    tmp_path: Path, written: tuple[Path, Path]
) -> None:
    host = Running(tmp_path)
    kept = tmp_path / "urls.py.as-found"
    kept.write_text("of the run before")
    with pytest.raises(MachineError, match=f"mv it to {written[1]}"), as_found(host):
        raise AssertionError("it was taken for as found")
    assert kept.read_text() == "of the run before"
    assert host.did == []


def test_a_host_of_another_project_is_not_touched(
    tmp_path: Path, written: tuple[Path, Path]
) -> None:
    host = Running(tmp_path)
    written[1].unlink()
    with pytest.raises(MachineError, match="does not serve our own chat"), as_found(host):
        raise AssertionError("it was taken for our own")
    assert host.did == []


def test_a_host_is_measured_only_where_it_may_be_disrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--host=debian@bench", "--json=x", "--rows=core"]
    monkeypatch.setenv("DISRUPT", "")  # as make has it
    with pytest.raises(SystemExit):
        servers.parse(command)
    assert "only with DISRUPT=1" in capsys.readouterr().err
    assert servers.parse(["--image=x", "--json=x"]).rows == chosen("")
    monkeypatch.setenv("DISRUPT", "1")
    assert servers.parse(command).rows == chosen("core")


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (["IMAGE=x.qcow2"], "{python} {program} --image=x.qcow2 "),
        (["HOST=a@b", "KEY=k"], "{python} {program} --host=a@b --key=k "),
        (["IMAGE=x", "NATIVE=1"], "tests/bench/native.sh x {python} {program} "),
    ],
)
def test_make_measures_an_image_a_host_or_an_image_s_system_on_this_host(
    top: Path, given: list[str], command: str
) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "bench-servers", *given],
        cwd=top,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    line = command.format(python="build/venv/bin/python", program="tests/bench/servers.py")
    assert line.rstrip() in " ".join(shown.split())


def test_an_image_that_is_not_there_is_told(top: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [top / "tests/bench/native.sh", tmp_path / "none.qcow2", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("native: ")


# The table


def outcomes(*views: float | None) -> list[Outcome]:
    """The default's two rows around uvicorn's, with these requests a second of the view."""
    rows = [DEFAULT, OTHERS[0], DEFAULT]
    return [
        Outcome(row, None, "no answer")
        if view is None
        else Outcome(row, dataclasses.replace(FIGURES, view=view))
        for row, view in zip(rows, views, strict=True)
    ]


def test_a_ratio_is_to_the_mean_of_the_defaults_two_rows() -> None:
    found = outcomes(150.0, 300.0, 250.0)
    default = default_of(found)
    assert default
    assert default.view == 200
    assert found[1].figures
    assert ratios(found[1].figures, default)["view"] == 1.5


def test_the_table_is_markdown_with_a_row_for_each_setting() -> None:
    lines = table(outcomes(150.0, 300.0, 250.0))
    assert len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = ["view/s", "p99 ms", "page/s", "p99 ms", "echo/s", "message/s", "MiB", "processes"]
    assert cells[0] == ["", *heads]
    assert [set(cell) for cell in cells[1]] == [{"-"}, *[{"-", ":"}] * 8]
    assert [row[:2] for row in cells[2:]] == [
        ["daphne", "150 (0.75)"],
        ["uvicorn", "300 (1.50)"],
        ["daphne", "250 (1.25)"],
    ]
    assert cells[3][2:] == [
        "151",
        "100 (1.00)",
        "260",
        "1900 (1.00)",
        "50 (1.00)",
        "160 (1.00)",
        "2",
    ]


def test_a_row_that_failed_says_so_and_without_the_default_there_are_no_ratios() -> None:
    lines = table(outcomes(150.0, None, 250.0))
    assert lines[3].split()[1:4] == ["uvicorn", "|", "failed"]
    assert "(0.75)" in lines[2]
    for default_failed in (outcomes(None, 300.0, 250.0), outcomes(150.0, 300.0, None)):
        assert "(" not in "".join(table(default_failed))
