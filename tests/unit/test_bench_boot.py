"""The phases of a boot: read from what a machine tells, apart from each other, and complete."""

import os
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread

import pytest
from bench.boot import means, ratios, table
from bench.phases import Boot, Clocks, durations, parse
from bench.watched import first, greets, serves, used

TOLD = """\
uptime=100.00
time=1700000100.500000000
socket=1700000061.500
socket=1700000060.500
UserspaceTimestampMonotonic=5000000
FinishTimestampMonotonic=65000000

Id=cloud-init-local.service
InactiveExitTimestampMonotonic=8000000
ActiveEnterTimestampMonotonic=12000000

Id=cloud-init-main.service
InactiveExitTimestampMonotonic=7000000
ActiveEnterTimestampMonotonic=8000000

Id=cloud-init-network.service
InactiveExitTimestampMonotonic=14000000
ActiveEnterTimestampMonotonic=20000000

Id=cloud-init-network.service
InactiveExitTimestampMonotonic=14000000
ActiveEnterTimestampMonotonic=20000000

Id=cloud-config.service
InactiveExitTimestampMonotonic=21000000
ActiveEnterTimestampMonotonic=29000000

Id=cloud-final.service
InactiveExitTimestampMonotonic=0
ActiveEnterTimestampMonotonic=0

Id=laurel-configure.service
InactiveExitTimestampMonotonic=21000000
ActiveEnterTimestampMonotonic=24000000

Id=laurel-migrate.service
InactiveExitTimestampMonotonic=25000000
ActiveEnterTimestampMonotonic=40000000

Id=supervisor.service
InactiveExitTimestampMonotonic=40000000
ActiveEnterTimestampMonotonic=42000000
"""


def boot(told: str = TOLD, page: float | None = 65.0) -> Boot:
    return Boot(kernel=3.0, ssh=24.0, page=page, clocks=parse(told))


def test_what_a_machine_tells_is_read() -> None:
    clocks = parse(TOLD)
    assert clocks.now == 100
    assert clocks.userspace == 5
    assert clocks.finished == 65
    assert clocks.units["laurel-migrate.service"] == (25, 40)


def test_a_unit_that_never_ran_has_no_times() -> None:
    assert "cloud-final.service" not in parse(TOLD).units


def test_the_first_of_the_sockets_counts_and_its_wall_clock_is_set_right() -> None:
    assert parse(TOLD).socket == pytest.approx(60)
    without = "\n".join(line for line in TOLD.split("\n") if not line.startswith("socket"))
    assert parse(without).socket is None


def test_a_boot_that_has_not_ended_is_refused() -> None:
    with pytest.raises(ValueError, match="does not say FinishTimestampMonotonic"):
        parse(TOLD.replace("FinishTimestampMonotonic=65000000", "FinishTimestampMonotonic=0"))
    with pytest.raises(ValueError, match="does not say uptime"):
        parse(TOLD.replace("uptime=100.00\n", ""))


def test_each_phase_of_an_image_ends_where_the_next_begins() -> None:
    assert boot().phases() == pytest.approx(
        {
            "firmware, boot loader": 3,
            "kernel, initial RAM disk": 5,
            "systemd": 2,
            "cloud-init, local stage": 5,
            "network": 2,
            "cloud-init, network stage": 6,
            "the system's own units": 1,
            "configure": 3,
            "migrate": 16,
            "supervisor": 2,
            "first process": 18,
            "first page": 2,
        }
    )


def test_the_phases_add_up_to_the_first_page_or_to_ssh() -> None:
    assert sum(boot().phases().values()) == pytest.approx(65)
    bare = boot(page=None).phases()
    assert sum(bare.values()) == pytest.approx(24)
    assert list(bare)[-1] == "sshd"
    assert "migrate" not in bare


def test_an_older_cloud_init_has_the_same_phases() -> None:
    older = TOLD.replace("Id=cloud-init-main", "Id=another").replace("init-network", "init")
    phases = boot(older).phases()
    assert list(phases) == list(boot().phases())
    assert phases["systemd"] == pytest.approx(3)
    assert phases["cloud-init, local stage"] == pytest.approx(4)


def test_a_phase_that_ended_early_costs_nothing_and_none_lasts_beyond_the_end() -> None:
    ends = [("a", 2.0), ("b", 1.0), ("c", 9.0), ("d", 7.0)]
    assert durations(ends) == {"a": 2, "b": 0, "c": 5, "d": 0}


def test_what_runs_beside_is_not_counted() -> None:
    assert boot().beside() == {"cloud-init, config stage": pytest.approx(8)}
    assert boot().after() == {"first page": 65, "SSH": 24, "all units started": 68}


def test_the_mean_of_several_boots_still_adds_up() -> None:
    found = means([boot(), boot(page=75.0)])
    assert sum(found["phases"].values()) == pytest.approx(70)
    assert found["after"]["first page"] == 70


def test_the_table_has_a_row_for_each_figure_of_any_column() -> None:
    columns = {"base first": means([boot(page=None)]), "image first": means([boot()])}
    rows = table(columns)
    assert [row.split()[-1] for row in rows if row.startswith("  migrate")] == ["16.0"]
    assert [row.split()[-2:] for row in rows if row.startswith("  network")] == [["2.0", "2.0"]]
    assert any(row.startswith("  sshd") for row in rows)


def test_the_ratio_is_of_what_both_disks_end_in() -> None:
    base, image = means([boot(page=None)]), means([boot()])
    base["after"]["SSH"] = 12.0
    columns = {"base first": base, "image first": image, "base later": base, "image later": image}
    assert ratios(columns) == {"first": 2, "later": 2}


class Site(BaseHTTPRequestHandler):
    """Answers 503 to the first request, and 404 to those that follow."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(503 if self.asked == 1 else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def site() -> Iterator[int]:
    Site.asked = 0
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_nginx_saying_that_the_site_is_not_there_yet_is_no_page(site: int) -> None:
    began = time.monotonic()
    seen = first(lambda seconds: serves(site, "/", seconds), Event())
    assert Site.asked == 2
    assert began < seen <= time.monotonic()


def test_a_greeting_is_what_an_ssh_server_says_first() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            for said in (b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-OpenSSH_10.0\r\n"):
                connection, _ = server.accept()
                connection.sendall(said)
                connection.close()

        Thread(target=answer, daemon=True).start()
        assert not greets(port, 5)
        assert greets(port, 5)


def test_an_attempt_that_hangs_is_given_up_until_the_machine_has_answered_once() -> None:
    patience = []

    def probe(seconds: float) -> bool:
        patience.append(seconds)
        if len(patience) == 1:
            raise TimeoutError
        if len(patience) == 2:
            raise ConnectionResetError
        return True

    first(probe, Event())
    assert patience == [1, 1, 30]


def test_the_work_of_a_process_is_what_it_has_used() -> None:
    before = time.process_time()
    while time.process_time() < before + 0.1:
        pass
    assert used(os.getpid()) == pytest.approx(time.process_time(), abs=0.05)


def test_nobody_waits_for_a_machine_that_has_ended() -> None:
    over = Event()
    over.set()
    first(lambda _: pytest.fail("was asked"), over)


def test_clocks_of_a_machine_without_units_still_make_a_boot() -> None:
    clocks = Clocks(now=50, userspace=4, finished=20, units={}, socket=None)
    phases = Boot(kernel=1, ssh=9, page=None, clocks=clocks).phases()
    assert phases == {"firmware, boot loader": 1, "kernel, initial RAM disk": 4, "sshd": 4}
