"""What cloud-init is asked for, and what it says of itself, in its files.

Its own command takes ten seconds to start on an emulated machine.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from acceptance.settings import SITE_ENV, site_lines
from machine import Host

DONE_SECONDS = 300.0

# A file of the user-data of the machine that goes through the stages.
GIVEN = {"path": "/etc/proof.conf", "content": "given = by user-data\n", "permissions": "0640"}


def site_env(text: str) -> dict[str, Any]:
    """Fields of user-data that write `text` to the machine's settings."""
    return {"write_files": [{"path": SITE_ENV, "content": text, "permissions": "0640"}]}


def user_data(settings: Mapping[str, str]) -> dict[str, Any]:
    """What the machine that goes through the stages is asked for, besides its key."""
    text = site_lines(settings)
    return {"write_files": [GIVEN, *(site_env(text)["write_files"] if text else [])]}


def datasource(machine: Host) -> str:
    """What the instance is configured from: NoCloud, Ec2, ...

    Waits until cloud-init has come to its end.
    """
    machine.wait_until_succeeds("test -e /run/cloud-init/result.json", DONE_SECONDS)
    result = json.loads(machine.succeed("cat /run/cloud-init/result.json"))
    found = re.match(r"DataSource(\w+?)(Local|Net)?\b", result["v1"]["datasource"])
    assert found, result
    return found[1]


def candidates(machine: Host) -> list[str]:
    """The datasources that cloud-init was left to try, one after the other.

    It leaves out those of clouds that the machine can't be in, by what its firmware and its disks
    show; each of the others may be waited for. None is what is taken where there is no other.
    """
    text = machine.succeed("cat /run/cloud-init/cloud.cfg")
    found = re.search(r"^datasource_list: \[(.*)\]", text, re.MULTILINE)
    assert found, text
    return [name.strip() for name in found[1].split(",")]


def waited_for(machine: Host) -> list[str]:
    """The candidates before the one that the instance is configured from.

    What comes after it is not asked: on DigitalOcean its own, after its drive.
    """
    names = candidates(machine)
    return names[: names.index(datasource(machine))]


def troubles(machine: Host) -> list[str]:
    """All errors of this boot, and the warnings after which cloud-init could go on."""
    told = json.loads(machine.succeed("cat /run/cloud-init/status.json"))["v1"]
    found = []
    for stage, text in told.items():
        if isinstance(text, dict):
            assert text["finished"], f"{stage} has not come to its end"
            found += [f"{stage}: {error}" for error in text["errors"]]
            for severity, lines in text.get("recoverable_errors", {}).items():
                found += [f"{stage}: {severity}: {line}" for line in lines]
    return found
