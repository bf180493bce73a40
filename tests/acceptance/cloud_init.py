"""User-data for cloud-init, and what cloud-init reports in its files.

The files are read because the `cloud-init` command takes ten seconds to start under emulation.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from acceptance.settings import SITE_ENV, site_lines
from machine import Host

DONE_SECONDS = 300.0

# A file that the user-data of the machine under test writes.
GIVEN = {"path": "/etc/proof.conf", "content": "given = by user-data\n", "permissions": "0640"}


def site_env(text: str) -> dict[str, Any]:
    """Fields of user-data that write `text` to site.env."""
    return {"write_files": [{"path": SITE_ENV, "content": text, "permissions": "0640"}]}


def user_data(settings: Mapping[str, str]) -> dict[str, Any]:
    """Fields of the user-data of the machine under test, besides its key."""
    text = site_lines(settings)
    return {"write_files": [GIVEN, *(site_env(text)["write_files"] if text else [])]}


def datasource(machine: Host) -> str:
    """The datasource that configured the instance, such as Ec2. Waits until cloud-init ends."""
    machine.wait_until_succeeds("test -e /run/cloud-init/result.json", DONE_SECONDS)
    result = json.loads(machine.succeed("cat /run/cloud-init/result.json"))
    found = re.match(r"DataSource(\w+?)(Local|Net)?\b", result["v1"]["datasource"])
    assert found, result
    return found[1]


def candidates(machine: Host) -> list[str]:
    """The datasources that cloud-init tries in turn, and may wait for.

    ds-identify has left out the clouds that firmware and disks rule out. The last is None, which
    is used if no other answers.
    """
    text = machine.succeed("cat /run/cloud-init/cloud.cfg")
    found = re.search(r"^datasource_list: \[(.*)\]", text, re.MULTILINE)
    assert found, text
    return [name.strip() for name in found[1].split(",")]


def waited_for(machine: Host) -> list[str]:
    """The candidates before the one that configured the instance; later ones are never tried."""
    names = candidates(machine)
    return names[: names.index(datasource(machine))]


def troubles(machine: Host) -> list[str]:
    """The errors and warnings of cloud-init in this boot."""
    status = json.loads(machine.succeed("cat /run/cloud-init/status.json"))["v1"]
    found = []
    for stage, report in status.items():
        if isinstance(report, dict):
            assert report["finished"], f"{stage} has not finished"
            found += [f"{stage}: {error}" for error in report["errors"]]
            for severity, lines in report.get("recoverable_errors", {}).items():
                found += [f"{stage}: {severity}: {line}" for line in lines]
    return found
