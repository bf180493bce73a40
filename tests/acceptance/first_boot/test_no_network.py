"""With no network card at all: what the machine writes on its serial console is all there is."""

import re

import pytest
from acceptance.stages import bring_up
from machine import Machine

REPORT_SECONDS = 900.0  # emulation on two cores: four minutes
PATIENCE_SECONDS = 10.0  # on an idle host a wait for nothing ends at once

# Runs on the machine beside its boot, and looks at each thing once it has come about.
REPORT = """
import http.client, json, re, subprocess, time

settings = dict(line.strip().split("=", 1) for line in open("/etc/laurel/build.env") if "=" in line)


def say(what, text):
    with open("/dev/console", "w") as console:
        console.write(f"\\nproof: {what}: {text}\\n")


def told(*command):
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
say("site", answer)
say("uptime", open("/proc/uptime").read().split()[0])
done = json.loads(told("cloud-init", "status", "--wait", "--format", "json"))
say("cloud-init", done["status"])
say("troubles", [*done["errors"], *done.get("recoverable_errors", {}).items()])
say("system", told("systemctl", "is-system-running", "--wait"))
say("failed", told("systemctl", "list-units", "--state=failed", "--plain", "--no-legend"))
say("links", told("ls", "/sys/class/net"))
times = told("systemctl", "show", "systemd-networkd-wait-online.service", "--property",
             "InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,"
             "InactiveEnterTimestampMonotonic")
began, *ends = (int(stamp) for stamp in re.findall("[0-9]+", times))
say("waited", (max(ends) - began) / 1e6 if began else 0)
say("slowest", told("sh", "-c", "systemd-analyze blame | head -n 8"))
say("end", "")
"""


@pytest.fixture(scope="module")
def report(image):
    """What the machine has said on its console, by the name that it gave it."""
    with Machine(
        image,
        name="no-network",
        cpus=2,
        network=False,
        extra_user_data={
            "write_files": [{"path": "/run/report.py", "content": REPORT}],
            # Not a part of cloud-init's own last stage, whose end it waits for.
            "runcmd": [["systemd-run", "--no-block", "--unit=report", "python3", "/run/report.py"]],
        },
    ) as machine:
        bring_up(
            machine, machine.start, lambda: machine.wait_for_console("proof: end", REPORT_SECONDS)
        )
        said = machine.console.path.read_text(errors="replace")
    return dict(re.findall(r"^proof: ([\w-]+): (.*?)\r*$", said, re.MULTILINE))


def test_the_machine_has_no_network(report):
    assert report["links"] == "lo"


def test_the_site_answers_the_machine_itself(report, measure):
    measure("without a network: power-on to site", float(report["uptime"]))
    assert int(report["site"]) < 400


def test_the_boot_does_not_wait_for_a_network(report, measure):
    measure("without a network: waited for one", float(report["waited"]))
    assert float(report["waited"]) < PATIENCE_SECONDS, report["slowest"]


def test_cloud_init_is_done(report):
    assert (report["cloud-init"], report["troubles"]) == ("done", "[]")


def test_no_unit_has_failed(report):
    assert (report["system"], report["failed"]) == ("running", "")
