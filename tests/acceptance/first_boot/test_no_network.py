"""Without a network card: the machine reports on its serial console."""

import re

import pytest
from acceptance.stages import bring_up
from machine import Machine

REPORT_SECONDS = 900.0  # under emulation on two cores it takes four minutes
WAIT_SECONDS = 10.0  # on an idle host the wait without a card ends at once

# Runs on the machine during its boot, and waits for each part.
REPORT = """
import http.client, json, re, subprocess, time

settings = dict(line.strip().split("=", 1) for line in open("/etc/laurel/build.env") if "=" in line)


def report(what, text):
    with open("/dev/console", "w") as console:
        console.write(f"\\nproof: {what}: {text}\\n")


def output(*command):
    done = subprocess.run(("timeout", "300", *command), capture_output=True, text=True)
    return " ".join(done.stdout.split())


def status():
    try:
        site = http.client.HTTPConnection("127.0.0.1", timeout=60)
        site.request("GET", settings["HEALTH_PATH"])
        return site.getresponse().status
    except OSError as error:
        return error


end = time.monotonic() + 300
while (answer := status()) not in range(100, 500) and time.monotonic() < end:
    time.sleep(1)
report("site", answer)
report("uptime", open("/proc/uptime").read().split()[0])
done = json.loads(output("cloud-init", "status", "--wait", "--format", "json"))
report("cloud-init", done["status"])
report("troubles", [*done["errors"], *done.get("recoverable_errors", {}).items()])
report("system", output("systemctl", "is-system-running", "--wait"))
report("failed", output("systemctl", "list-units", "--state=failed", "--plain", "--no-legend"))
report("links", output("ls", "/sys/class/net"))
times = output("systemctl", "show", "systemd-networkd-wait-online.service", "--property",
             "InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,"
             "InactiveEnterTimestampMonotonic")
began, *ends = (int(stamp) for stamp in re.findall("[0-9]+", times))
report("waited", (max(ends) - began) / 1e6 if began else 0)
report("slowest", output("sh", "-c", "systemd-analyze blame | head -n 8"))
report("end", "")
"""


@pytest.fixture(scope="module")
def report(image):
    """The machine's report, by name."""
    with Machine(
        image,
        name="no-network",
        cpus=2,
        network=False,
        extra_user_data={
            "write_files": [{"path": "/run/report.py", "content": REPORT}],
            # In a unit of its own, because it waits for the end of cloud-init.
            "runcmd": [["systemd-run", "--no-block", "--unit=report", "python3", "/run/report.py"]],
        },
    ) as machine:
        bring_up(
            machine, machine.start, lambda: machine.wait_for_console("proof: end", REPORT_SECONDS)
        )
        console = machine.console.path.read_text(errors="replace")
    return dict(re.findall(r"^proof: ([\w-]+): (.*?)\r*$", console, re.MULTILINE))


def test_machine_has_no_network(report):
    assert report["links"] == "lo"


def test_site_answers_on_the_machine(report, measure):
    measure("without a network: power-on to site", float(report["uptime"]))
    assert int(report["site"]) < 400


def test_boot_does_not_wait_for_a_network(report, measure):
    measure("without a network: wait for one", float(report["waited"]))
    assert float(report["waited"]) < WAIT_SECONDS, report["slowest"]


def test_cloud_init_is_done(report):
    assert (report["cloud-init"], report["troubles"]) == ("done", "[]")


def test_no_unit_has_failed(report):
    assert (report["system"], report["failed"]) == ("running", "")
