"""What holds of any site is proved on a machine of any cloud, too: the last step of its page."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from acceptance import cloud_init


def machine(source: str, candidates: str) -> Any:
    """A machine on which cloud-init has done its work."""
    files = {
        "result.json": json.dumps({"v1": {"datasource": f"DataSource{source} [seed=/dev/sr0]"}}),
        "cloud.cfg": f"datasource_list: [ {candidates}, None ]\n",
    }
    return SimpleNamespace(
        wait_until_succeeds=lambda *_: "",
        succeed=lambda command: files[command.rpartition("/")[2]],
    )


@pytest.mark.parametrize(
    ("source", "candidates", "waited"),
    [
        ("NoCloud", "NoCloud", []),
        ("ConfigDrive", "ConfigDrive, DigitalOcean", []),
        ("NoCloud", "OpenStack, NoCloud", ["OpenStack"]),
    ],
)
def test_a_datasource_before_the_machines_own_was_waited_for(
    source: str, candidates: str, waited: list[str]
) -> None:
    assert cloud_init.waited_for(machine(source, candidates)) == waited


def test_no_check_supposes_how_a_cloud_names_a_disk_or_a_card(top: Path) -> None:
    folders = ("any_site", "chat_site")
    checks = [path for name in folders for path in (top / "tests/acceptance" / name).glob("*.py")]
    assert len(checks) > 15
    for path in checks:
        named = re.findall(r"/dev/(?:[vsx]d[a-z]|nvme)\w*|\b(?:eth|ens|enp)\d\w*", path.read_text())
        assert named == [], path
