"""The acceptance tests for any site must work on the hardware of any cloud."""

import re
from pathlib import Path

FOLDERS = ("any_site", "chat_site")
DEVICE = r"/dev/(?:[vsx]d[a-z]|nvme)\w*|\b(?:eth|ens|enp)\d\w*"


def test_no_check_names_a_disk_or_a_network_card(top: Path) -> None:
    checks = [path for name in FOLDERS for path in (top / "tests/acceptance" / name).glob("*.py")]
    assert len(checks) > 15
    found = {path.name: re.findall(DEVICE, path.read_text()) for path in checks}
    assert {name: devices for name, devices in found.items() if devices} == {}
